"""A job on real executors, one of which breaks: `python -m tests.faults.cluster` prints JSON.

Each way to break is tried once, by the forward of one task; see `tests.gpu.fake_gpus`. Documents,
ids and secrets are sentinels; at the end, what Spark's UI, its event log and its executors' logs
tell is searched for them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow
from pyarrow import parquet
from pyspark.sql import SparkSession

from spark_entities.jobs.config import (
    EnrichConfig,
    ErrorsSection,
    InputSection,
    OutputSection,
    RunSection,
    SparkSection,
)
from spark_entities.jobs.enrich import run
from tests.faults.sentinels import (
    DOCUMENT,
    IDENTIFIER,
    SECRET,
    SECRET_VARIABLE,
    SECRETS,
    event_log,
    find_leaks,
    save_commands,
    save_interface,
    text_of,
)
from tests.gpu.cluster import WORK, clean_up, start
from tests.gpu.fake_gpus import WAYS

ROWS = 24
HANG_SECONDS = "8"
TIMEOUT = {
    "spark.python.worker.idleTimeoutSeconds": HANG_SECONDS,
    "spark.python.worker.killOnIdleTimeout": "true",
}


def write_documents(folder: Path, files: int = 12) -> None:
    """Write documents and ids that hold sentinels; one document is too long to be classified.

    Without Spark, whose plans would hold what it is given.
    """
    (folder / "in").mkdir()
    for first in range(files):
        rows = range(first, ROWS, files)
        ids = [f"{IDENTIFIER}-{row}" for row in rows]
        texts = [text_of(row) * (1 if row else 30) for row in rows]
        table = pyarrow.table({"id": ids, "text": texts})
        parquet.write_table(table, folder / "in" / f"{first}.parquet")


def survive(spark: SparkSession, folder: Path, way: str) -> dict[str, Any]:
    """Run the job over the documents while something breaks."""
    (folder / "break").write_text(way)
    config = EnrichConfig(
        input=InputSection(path=str(folder / "in")),
        output=OutputSection(path=str(folder / "out"), mode="overwrite"),
        classify={"max_document_chars": 500},
        errors=ErrorsSection(policy="quarantine", quarantine_path=str(folder / "bad")),
        run=RunSection(id=way.replace(" ", "-")),
        spark=SparkSection(allow=["idle-timeout-kills"]),
    )
    summary = run(spark, config)
    rows = spark.read.parquet(str(folder / "out")).collect()
    return {
        "broke": not (folder / "break").exists(),
        "ids": sorted(row["id"] for row in rows),
        "failed": summary.failed,
        "beside": sorted(path.name for path in folder.glob(".*")),
        "leaks": find_leaks([folder / "out", folder / "bad"]),
        "quarantine": quarantined(spark, folder / "bad" / f"entity_run={config.run.id}"),
    }


def quarantined(spark: SparkSession, folder: Path) -> str:
    """Tell what of the documents stands among those that failed, which are not part of a result."""
    rows = spark.read.parquet(str(folder)).collect()
    return f"{len(rows)} failed, {sum(DOCUMENT in str(row) for row in rows)} quoted"


def main() -> None:
    """Break the cluster in every way, one after the other."""
    os.environ[SECRET_VARIABLE] = SECRET
    with TemporaryDirectory() as name:
        folder = Path(name)
        seen = folder / "seen"
        seen.mkdir()
        settings = TIMEOUT | SECRETS | event_log(seen / "events") | {"spark.ui.enabled": "true"}
        spark = start(2, folder, **settings)
        write_documents(folder)
        result: dict[str, Any] = {way: survive(spark, folder, way) for way in WAYS}
        interface = save_interface(spark, seen / "interface")
        commands = save_commands(seen / "commands")
        secret = spark.conf.get("spark.test.pwd") == SECRET
        logs = WORK / str(spark.sparkContext.applicationId)
        leaks = find_leaks([seen, logs])
        lines = clean_up(spark)
        events = "".join(path.read_text("utf-8") for path in (seen / "events").iterdir())
        result["searched"] = {
            "leaks": leaks + find_leaks([seen / "events"], "\n".join(lines)),
            "secret is known to Spark": secret,
            "interface": interface > 100_000,
            "commands": commands > 2,
            "events": "SparkListenerApplicationEnd" in events,
            "logs": sum("A document failed" in line for line in lines) > 0,
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
