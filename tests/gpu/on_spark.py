"""The job on Spark and a real GPU: run by hand on a machine with one, Java and pyspark.

    python -m tests.gpu.on_spark [--only bundled …] [--output FILE]

A standalone cluster of one executor on all cores, with the shipped settings of conf/spark-gpu.conf
and the shipped script that finds GPUs. Checks, then speed, as `tests.gpu.bare`; a few minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_entities.jobs.benchmark.workload import find_model, make_documents, write_documents
from spark_entities.jobs.check import find_devices
from spark_entities.jobs.config import EnrichConfig, SparkSection
from spark_entities.jobs.enrich import run
from spark_entities.jobs.spark.session import make_session
from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.entities_udf import Kind, make_entities_udf
from spark_entities.udfs.options import ModelOptions
from tests.gpu.cluster import ROOT, clean_up, shipped_settings

MODELS = {"bundled": 50_000, "xlm-roberta-large": 10_000}  # documents: seconds of work
KINDS: tuple[Kind, ...] = ("pandas", "arrow")
FILES, REPEATS, COMPARED = 8, 2, 500
KEPT = ("Computing on", "Loaded", "Windows go through")  # of the executors' logs

failures: list[str] = []
started = time.monotonic()


def say(line: str) -> None:
    """Print a line with the time it came at."""
    print(f"[{time.monotonic() - started:5.0f} s] {line}", flush=True)


def check(holds: bool, line: str) -> None:
    """Print whether something holds, and remember if it does not."""
    say(f"{'ok  ' if holds else 'FAIL'} {line}")
    if not holds:
        failures.append(line)


def start() -> SparkSession:
    """Start a cluster of one executor, whose one task has the GPU and all cores."""
    cores = str(os.cpu_count())
    config = shipped_settings() | {
        "spark.worker.resource.gpu.amount": "1",
        "spark.worker.resource.gpu.discoveryScript": str(ROOT / "conf" / "gpu-discovery.sh"),
        "spark.executor.cores": cores,
        "spark.task.cpus": cores,
        "spark.executorEnv.PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
    }
    section = SparkSection(master=f"local-cluster[1,{cores},8192]", config=config)
    return make_session(section, "spark-entities on a GPU")


def enrich(spark: SparkSession, model: str, documents: Path, output: Path) -> dict[str, Any]:
    """Run the main job; return what its run's record says."""
    config = EnrichConfig.model_validate(
        {
            "model": {"name": model},
            "input": {"path": str(documents)},
            "output": {"path": str(output)},
        }
    )
    summary = run(spark, config)
    check(summary.num_model_loads == 1, f"the model was loaded {summary.num_model_loads} time(s)")
    check(len(summary.devices) == 1, f"the run computed on {summary.devices}")
    check(summary.devices[0][0] == "cuda:0", "that is the GPU")
    check(summary.failed == 0, f"{summary.failed} of {summary.documents:,} documents failed")
    return {
        "documents": summary.documents,
        "tokens": summary.num_tokens,
        "seconds": summary.seconds,
        "load_seconds": summary.load_wait,
        "tokens_per_second": summary.tokens_per_second,
    }


def compare_with_cpu(output: Path) -> None:
    """Compare mentions of a run with those that the CPU finds in float32."""
    rows = pq.read_table(output, columns=["text", "entities"]).slice(0, COMPARED).to_pydict()
    exact = TokenClassifier.load(ModelOptions(precision="float32"), device="cpu")
    expected = exact.classify(rows["text"]).field("entities").to_pylist()
    ours, theirs = (
        {
            (row, entity["entity_group"], entity["start"], entity["end"])
            for row, entities in enumerate(found)
            for entity in entities
        }
        for found in (rows["entities"], expected)
    )
    shared = 2 * len(ours & theirs) / (len(ours) + len(theirs))
    check(shared >= 0.99, f"{shared:.2%} of {len(theirs):,} mentions are those of a CPU, float32")


def classify(spark: SparkSession, model: str, kind: Kind, documents: Path) -> int:
    """Run the UDF over documents and write nothing; return the tokens."""
    udf = make_entities_udf(ModelOptions(name=model), kind=kind)
    result = spark.read.parquet(str(documents)).select(udf("text").alias("r"))
    sums = F.sum("r.metrics.num_model_tokens"), F.sum(F.size("r.entities"))
    return int(result.agg(*sums).collect()[0][0])


def compare_kinds(spark: SparkSession, model: str, documents: Path) -> dict[str, float]:
    """Return tokens/s of the UDF's kinds, which take turns; the model is loaded already."""
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(REPEATS):
        for kind in KINDS:
            begun = time.monotonic()
            tokens = classify(spark, model, kind, documents)
            seconds[kind].append(time.monotonic() - begun)
    return {kind: tokens / statistics.median(times) for kind, times in seconds.items()}


def measure(spark: SparkSession, name: str, folder: Path) -> dict[str, Any]:
    """Run the job and the UDF with a model."""
    model, documents = find_model(name, folder / "models"), folder / name / "documents"
    write_documents(make_documents("mixed", MODELS[name]), documents, FILES)
    output = folder / name / "output"
    figures: dict[str, Any] = {"job": enrich(spark, model, documents, output)}
    say(f"{name}, the job: {figures['job']}")
    if name == "bundled":
        compare_with_cpu(output)
    figures["kinds"] = compare_kinds(spark, model, documents)
    say(f"{name}, the UDF, tokens/s: {figures['kinds']}")
    return figures


def main() -> int:
    """Start a cluster, check, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    spark = start()
    devices = [row.asDict() for row in find_devices(spark)]
    check(len(devices) == 1, f"tasks say that they have {devices}")
    with TemporaryDirectory() as folder:
        sections: dict[str, Callable[[], Any]] = {
            name: partial(measure, spark, name, Path(folder)) for name in options.only
        }
        for name, section in sections.items():
            try:
                figures[name] = section()
            except Exception as error:  # the others are worth the machine's time
                check(False, f"{name} ended in {error!r}")
            if options.output:
                options.output.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    for line in clean_up(spark):
        if line.startswith(KEPT):
            say(line)
    say(f"{len(failures)} checks failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
