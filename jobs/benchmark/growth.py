"""What grows and what does not: the whole job over ever more documents."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from pyspark.sql import SparkSession

from spark_entities.jobs.benchmark.processes import peak_mib, status_mib
from spark_entities.jobs.benchmark.workload import find_model, make_documents, write_documents
from spark_entities.jobs.config import (
    EnrichConfig,
    InputSection,
    OutputSection,
    SparkSection,
)
from spark_entities.jobs.enrich import run
from spark_entities.jobs.spark.session import make_session
from spark_entities.udfs.options import ModelOptions

_FILES = 8
_MARK = "SPARK_ENTITIES_GROWTH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """One run of the job."""

    documents: int
    seconds: float
    tokens_per_second: float
    worker_peak_mib: int
    driver_mib: int  # Python and the JVM's heap after a collection


def grow(model: str, counts: Sequence[int], cores: int, folder: Path) -> Iterator[Growth]:
    """Enrich ever more titles with the whole job: read, classify, write, publish."""
    checkpoint = find_model(model, folder / "models")
    config = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
    }
    spark = make_session(SparkSection(master=f"local[{cores}]", config=config), "growth")
    data, output = folder / "titles", folder / "enriched"
    mark = str(os.getpid())
    spark.sparkContext.environment[_MARK] = mark  # workers of its own, found by it
    for count in [min(counts), *counts]:  # the first run warms up
        with ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
            elsewhere.submit(_write_titles, count, data).result()  # not in the driver's memory
        shutil.rmtree(output, ignore_errors=True)
        settings = EnrichConfig(
            input=InputSection(path=str(data)),
            output=OutputSection(path=str(output)),
            model=ModelOptions(name=checkpoint),
        )
        summary = run(spark, settings)
        yield Growth(
            documents=count,
            seconds=summary.start_seconds + summary.work_seconds,
            tokens_per_second=summary.tokens_per_second,
            worker_peak_mib=peak_mib(f"{_MARK}={mark}"),
            driver_mib=status_mib(Path("/proc/self"), "VmRSS") + _heap_mib(spark),
        )
    del spark.sparkContext.environment[_MARK]


def _write_titles(count: int, folder: Path) -> None:
    write_documents(make_documents("short", count), folder, _FILES)


def _heap_mib(spark: SparkSession) -> int:
    """Return what the JVM's heap holds after a collection."""
    runtime = spark._jvm.java.lang.Runtime.getRuntime()  # type: ignore[union-attr]
    runtime.gc()
    return int(runtime.totalMemory() - runtime.freeMemory()) >> 20
