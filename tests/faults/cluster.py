"""A job on real executors, one of which breaks: `python -m tests.faults.cluster` prints JSON.

Each way to break is tried once, by the forward of one task; see `tests.gpu.fake_gpus`.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyspark.sql import SparkSession

from jobs.config import EnrichConfig, InputSection, OutputSection, RunSection, SparkSection
from jobs.enrich import run
from tests.gpu.cluster import clean_up, documents, start
from tests.gpu.fake_gpus import WAYS

HANG_SECONDS = "8"
TIMEOUT = {
    "spark.python.worker.idleTimeoutSeconds": HANG_SECONDS,
    "spark.python.worker.killOnIdleTimeout": "true",
}


def survive(spark: SparkSession, folder: Path, way: str) -> dict[str, Any]:
    """Run the job over 12 partitions while something breaks."""
    (folder / "break").write_text(way)
    config = EnrichConfig(
        input=InputSection(path=str(folder / "in")),
        output=OutputSection(path=str(folder / "out"), mode="overwrite"),
        run=RunSection(id=way.replace(" ", "-")),
        spark=SparkSection(allow=["idle-timeout-kills"]),
    )
    summary = run(spark, config)
    rows = spark.read.parquet(str(folder / "out")).collect()
    return {
        "broke": not (folder / "break").exists(),
        "texts": sorted(row["text"] for row in rows),
        "failed": summary.failed,
        "beside": sorted(path.name for path in folder.glob(".out*")),
    }


def main() -> None:
    """Break the cluster in every way, one after the other."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        spark = start(2, folder, **TIMEOUT)
        documents(spark, 12).write.parquet(str(folder / "in"))
        result = {way: survive(spark, folder, way) for way in WAYS}
    clean_up(spark)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
