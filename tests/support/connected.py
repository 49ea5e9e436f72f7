"""A client of Spark Connect, without a JVM of its own: what it sees, as JSON.

python -m tests.support.connected sc://localhost:PORT
"""

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_entities import ConfigError, make_entities_udf, register
from spark_entities.jobs.check import check
from spark_entities.jobs.config import EnrichConfig, SparkSection
from spark_entities.jobs.enrich import run
from spark_entities.jobs.spark.session import make_session

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "databricks_enrich.py"
GUIDE = ROOT / "docs" / "connect.md"
TEXTS = [
    "Mijn naam is Emma en ik woon in Londen.",
    None,
    "",
    "Frans van Houten werkte bij Philips (Eindhoven).",
    "Emma. " * 700,
]
TABLES = {
    "source": "spark_catalog.default.documents",
    "target": "spark_catalog.default.entities",
    "mentions": "spark_catalog.default.mentions",
}


class Widgets:
    """What the notebook asks of `dbutils.widgets`."""

    def __init__(self, given: dict[str, str]) -> None:
        self._given = given
        self._values: dict[str, str] = {}

    def text(self, name: str, default: str, label: str) -> None:
        self._values[name] = self._given.get(name, default)

    def dropdown(self, name: str, default: str, choices: list[str], label: str) -> None:
        assert self._given.get(name, default) in choices
        self.text(name, default, label)

    def get(self, name: str) -> str:
        return self._values[name]


class Dbutils:
    def __init__(self, given: dict[str, str]) -> None:
        self.widgets = Widgets(given)


def classify(spark: SparkSession, kind: str) -> list[dict[str, Any]]:
    """Run the UDF over the texts."""
    df = spark.createDataFrame(list(enumerate(TEXTS)), "id int, text string")
    df = df.repartition(2).withColumn("result", make_entities_udf(kind=kind)(F.col("text")))
    rows = df.orderBy("id").select("result").collect()
    return [row["result"].asDict(recursive=True) | {"metrics": None} for row in rows]


def classify_in_sql(spark: SparkSession) -> list[dict[str, Any]]:
    """Run the function of SQL over the texts."""
    register(spark)
    rows = spark.sql(f"SELECT entities(text) AS e FROM {TABLES['source']} ORDER BY id").collect()
    return [row["e"].asDict(recursive=True) | {"metrics": None} for row in rows]


def run_notebook(spark: SparkSession, **given: str) -> dict[str, Any]:
    """Run the Databricks notebook, with widgets that were set."""
    shown: list[DataFrame] = []
    names = {"spark": spark, "dbutils": Dbutils(TABLES | given), "display": shown.append}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(NOTEBOOK.read_text("utf-8"), NOTEBOOK.name, "exec"), names)
    return {"printed": printed.getvalue(), "shown": [df.toPandas().to_dict("list") for df in shown]}


def try_again(spark: SparkSession) -> dict[str, Any]:
    """Run the notebook, lose its second table as if it had ended between the two, and try again."""
    mentions = "spark_catalog.default.mentions_of_tries"
    given = {"run": "job-7", "mentions": mentions}
    tries = [run_notebook(spark, **given)]
    spark.sql(f"DROP TABLE {mentions}")
    tries += [run_notebook(spark, **given), run_notebook(spark, **given, mode="error")]
    rows = [
        spark.table(table).where("entity_run = 'job-7'") for table in (TABLES["target"], mentions)
    ]
    return {"tries": tries, "rows": [each.count() for each in rows]}


def refusal(spark: SparkSession) -> str:
    """Ask for what a client cannot do."""
    config = EnrichConfig(input={"table": TABLES["source"]}, output={"path": "build/never"})
    try:
        run(spark, config)
    except ConfigError as error:
        return str(error)
    return "not refused"


def run_guide(spark: SparkSession, address: str) -> dict[str, Any]:
    """Run the Python of docs/connect.md, which connects to the server by itself."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL))
    table = "spark_catalog.default.guide"
    for told, here in (("sc://localhost:15002", address), ("catalog.schema.entities", table)):
        assert told in code
        code = code.replace(told, here)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    return {"printed": printed.getvalue(), "rows": spark.table(table).count()}


def count(spark: SparkSession, table: str) -> int:
    return spark.table(TABLES[table]).count()


def main(address: str) -> dict[str, Any]:
    spark = make_session(SparkSection(master=address), "spark-entities tests")
    documents = spark.createDataFrame(list(enumerate(TEXTS)), "id int, text string")
    documents.write.saveAsTable(TABLES["source"])
    config = EnrichConfig(input={"table": TABLES["source"]})
    seen = {
        "rows": {kind: classify(spark, kind) for kind in ("pandas", "arrow")}
        | {"sql": classify_in_sql(spark)},
        "check": [*check(spark, config)],
        "refusal": refusal(spark),
        "notebook": [run_notebook(spark), run_notebook(spark, partitions="3")],
        "columns": spark.table(TABLES["target"]).columns,
        "entities": count(spark, "target"),
        "mentions": spark.table(TABLES["mentions"]).where("id = 0").toPandas().to_dict("list"),
        "tried": try_again(spark),
        "overwritten": run_notebook(spark, mode="overwrite", mentions=""),
        "entities_then": count(spark, "target"),
        "guide": run_guide(spark, address),
        "java": SparkContext._gateway is not None,
    }
    spark.stop()
    return seen


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
