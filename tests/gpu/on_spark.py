"""The job on Spark and a real GPU: run by hand on a machine with one, Java and pyspark.

    python -m tests.gpu.on_spark [--only bundled …] [--output FILE]

A standalone cluster of one executor on all cores, with the shipped settings of conf/spark-gpu.conf
and the shipped script that finds GPUs. Checks, then speed, as `tests.gpu.bare`; a few minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_entities.jobs.benchmark.engine import agreement, interleave, mentions
from spark_entities.jobs.benchmark.workload import find_model, make_documents, write_documents
from spark_entities.jobs.check import find_devices
from spark_entities.jobs.config import EnrichConfig, SparkSection
from spark_entities.jobs.enrich import run
from spark_entities.jobs.enrichment.metrics import Summary
from spark_entities.jobs.spark.session import make_session
from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.entities_udf import Kind, make_entities_udf
from spark_entities.udfs.options import ModelOptions
from tests.gpu.cluster import ROOT, clean_up, shipped_settings
from tests.gpu.console import check, exit_status, say

MODELS = {"xlm-roberta-large": 10_000, "bundled": 50_000}  # documents: seconds of work
KINDS: tuple[Kind, ...] = ("pandas", "arrow")
FILES, REPEATS, COMPARED = 8, 1, 500
KEPT = ("Computing on", "Loaded", "Windows go through")  # of the executors' logs


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


def enrich(spark: SparkSession, model: str, documents: Path, output: Path) -> Summary:
    """Run the main job, and check what it says of itself."""
    config = EnrichConfig.model_validate(
        {
            "model": {"name": model},
            "input": {"path": str(documents)},
            "output": {"path": str(output)},
        }
    )
    summary = run(spark, config)
    check(summary.num_model_loads == 1, f"the model was loaded {summary.num_model_loads} time(s)")
    names = [device for device, _ in summary.devices]
    check(names == ["cuda:0"], f"the run computed on {summary.devices}")
    check(summary.failed == 0, f"{summary.failed} of {summary.documents:,} documents failed")
    return summary


def compare_with_cpu(output: Path) -> None:
    """Compare mentions of a run with those that the CPU finds in float32."""
    rows = pq.read_table(output, columns=["text", "entities"]).slice(0, COMPARED).to_pydict()
    exact = TokenClassifier.load(ModelOptions(precision="float32"), device="cpu")
    expected = mentions(exact.classify(rows["text"]).field("entities").to_pylist())
    shared = agreement(expected, mentions(rows["entities"]))
    check(shared >= 0.99, f"{shared:.2%} of {len(expected):,} mentions are those of a CPU, float32")


def classify(spark: SparkSession, model: str, kind: Kind, documents: Path) -> None:
    """Run the UDF over documents and write nothing."""
    udf = make_entities_udf(ModelOptions(name=model), kind=kind)
    result = spark.read.parquet(str(documents)).select(udf("text").alias("r"))
    result.agg(F.sum(F.size("r.entities"))).collect()


def measure(spark: SparkSession, name: str, folder: Path) -> dict[str, Any]:
    """Run the job and the UDF with a model."""
    model, documents = find_model(name, folder / "models"), folder / name / "documents"
    write_documents(make_documents("mixed", MODELS[name]), documents, FILES)
    output = folder / name / "output"
    summary = enrich(spark, model, documents, output)
    if name == "bundled":
        compare_with_cpu(output)
    runs: dict[str, Callable[[], object]] = {
        kind: partial(classify, spark, model, kind, documents) for kind in KINDS
    }
    seconds = {"job": summary.seconds, **interleave(runs, REPEATS)}
    rates = {way: summary.num_model_tokens / taken for way, taken in seconds.items()}
    say(f"{name}, model tokens/s: {rates}")
    return {"documents": summary.documents, "load_seconds": summary.load_wait, **rates}


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
        for name in options.only:
            try:
                figures[name] = measure(spark, name, Path(folder))
            except Exception as error:  # the others are worth the machine's time
                check(False, f"{name} ended in {error!r}")
            if options.output:
                options.output.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    for line in clean_up(spark):
        if line.startswith(KEPT):
            say(line)
    return exit_status()


if __name__ == "__main__":
    sys.exit(main())
