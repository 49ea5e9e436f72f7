"""PostgreSQL in and out: `python -m tests.support.postgresql DRIVER.jar BINARIES` prints JSON.

Starts a server on the loopback interface, with its data in a folder that goes away, and ends it. It
does not run as root: then it runs as the user `postgres`, whom Debian's package has made.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from spark_entities.jobs.config import SparkSection
from spark_entities.jobs.enrich import main as enrich
from spark_entities.jobs.spark.session import make_session
from spark_entities.jobs.tables.reading import jdbc_options

TEXTS = ["Emma woont in Londen.", "Niets.", "Philips bouwt in Eindhoven.", None] * 2


@contextmanager
def server(binaries: Path, folder: Path) -> Iterator[str]:
    """Run a server; gives the URL of its database."""
    user = "postgres" if os.geteuid() == 0 else None
    data = folder / "data"
    data.mkdir(mode=0o700)
    if user:
        folder.chmod(0o755)
        shutil.chown(data, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def call(program: str, *arguments: str) -> None:
        command = [str(binaries / program), "-D", str(data), *arguments]
        subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)

    call("initdb", "--auth=trust", "--username=me", "--encoding=UTF8", "--no-sync")
    settings = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={data}"
    call("pg_ctl", "start", "--wait", "--log", str(data / "log"), "--options", settings)
    try:
        yield f"jdbc:postgresql://127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "stop", "--mode=immediate")


def execute(binaries: Path, url: str, statement: str) -> None:
    """Run a statement by PostgreSQL's own client."""
    place = f"{url.removeprefix('jdbc:')}?user=me"
    command = [str(binaries / "psql"), place, "--quiet", "--command", statement]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def overflow(spark: SparkSession, options: dict[str, str]) -> str:
    """Write a row that the table does not take; returns what the driver says."""
    row = spark.createDataFrame([("Londen",)], "word string")
    options = jdbc_options(options) | {"createTableColumnTypes": "word VARCHAR(3)"}
    try:
        row.write.format("jdbc").options(**options, dbtable="short").save()
    except Py4JJavaError as error:
        return str(error)
    return "taken"


def try_out(spark: SparkSession, url: str, folder: Path, binaries: Path) -> dict[str, object]:
    """Read in four connections, write, append, overwrite; then a write that is not taken."""
    options = {"url": url, "user": "me", "driver": "org.postgresql.Driver"}
    documents = spark.createDataFrame(list(enumerate(TEXTS)), "id int, text string")
    documents.write.format("jdbc").options(**options, dbtable="articles").save()
    parts = {"partitionColumn": "id", "lowerBound": "0", "upperBound": "8", "numPartitions": "4"}
    flags = ["--input.format", "jdbc", "--input.id_column", "id"]
    flags += ["--input.options", json.dumps({**options, "dbtable": "articles", **parts})]
    flags += ["--output.format", "jdbc", "--output.options", json.dumps(options)]
    flags += ["--output.table", "mentions", "--output.layout", "mentions"]
    flags += ["--output.staging_path", str(folder / "stage")]

    def read(table: str) -> list[list[object]]:
        rows = spark.read.format("jdbc").options(**options, dbtable=table).load()
        return sorted([row["entity_run"], row["id"], row["word"]] for row in rows.collect())

    def run(name: str, mode: str) -> int:
        return enrich([*flags, "--run.id", name, "--output.mode", mode])

    statuses = [run("run-a", "error"), run("run-b", "append"), run("run-b", "append")]
    both = read("mentions")
    statuses.append(run("run-c", "overwrite"))
    execute(binaries, url, "ALTER TABLE mentions ADD CHECK (word <> 'Londen') NOT VALID")
    with redirect_stderr(StringIO()) as told:
        statuses.append(run("run-d", "overwrite"))
    parted = spark.read.format("jdbc").options(**options, dbtable="articles", **parts).load()
    return {
        "statuses": statuses,
        "partitions": parted.rdd.getNumPartitions(),
        "both": both,
        "last": read("mentions"),
        "told": told.getvalue(),
        "overflow": overflow(spark, options),
    }


def main() -> None:
    """Try it out."""
    jar, binaries = sys.argv[1:]
    config = {"spark.jars": jar, "spark.ui.enabled": "false", "spark.log.level": "ERROR"}
    spark = make_session(SparkSection(master="local[2]", config=config), "postgresql")
    with TemporaryDirectory() as name, server(Path(binaries), Path(name)) as url:
        with redirect_stdout(sys.stderr):
            result = try_out(spark, url, Path(name), Path(binaries))
        spark.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
