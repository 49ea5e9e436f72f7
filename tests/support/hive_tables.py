"""A Hive table in and a table of the Hive metastore out: `python -m tests.support.hive_tables`.

The metastore is the one that Spark embeds, with its catalog in a folder. Prints JSON. A process of
its own, since a session has one catalog for good.
"""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from pathlib import Path
from sys import stderr
from tempfile import TemporaryDirectory

from pyspark.sql import SparkSession

from spark_entities.jobs.config import SparkSection
from spark_entities.jobs.enrich import main as enrich
from spark_entities.jobs.spark.session import make_session


def start(folder: Path) -> SparkSession:
    """Start a session, as the configuration of docs/warehouse.md does."""
    metastore = f"jdbc:derby:;databaseName={folder}/metastore;create=true"
    config = {
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": metastore,
        "spark.driver.extraJavaOptions": f"-Dderby.stream.error.file={folder}/derby.log",
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
    }
    return make_session(SparkSection(master="local[2]", config=config), "hive")


def fill(spark: SparkSession) -> None:
    """Create a table of Hive's own kind, in text files, with a partition for each day."""
    spark.sql("CREATE DATABASE news")
    spark.sql(
        "CREATE TABLE news.articles (id INT, text STRING) PARTITIONED BY (day STRING) "
        "STORED AS TEXTFILE"
    )
    for day, text in {"d1": "Emma woont in Londen.", "d2": "Philips bouwt in Eindhoven."}.items():
        spark.sql(f"INSERT INTO news.articles PARTITION (day = '{day}') VALUES (1, '{text}')")


def main() -> None:
    """Enrich the table twice, and read the result in a session that comes later."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        spark = start(folder)
        fill(spark)
        flags = ["--input.table", "news.articles", "--output.table", "news.entities"]
        flags += ["--output.path", str(folder / "entities"), "--output.partition_by", '["day"]']
        with redirect_stdout(stderr):
            statuses = [
                enrich([*flags, "--run.id", run, "--output.mode", "append"])
                for run in ("run-a", "run-b")
            ]
        spark.stop()
        spark = start(folder)
        partitions = [row[0] for row in spark.sql("SHOW PARTITIONS news.entities").collect()]
        found = spark.table("news.entities").where("entity_run = 'run-b' AND day = 'd2'")
        result = {
            "statuses": statuses,
            "partitions": partitions,
            "found": [list(row) for row in found.select("id", "entities_org").collect()],
        }
        spark.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
