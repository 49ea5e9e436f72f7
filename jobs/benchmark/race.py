"""Ours and its rivals under Spark: one session, the same files, runs interleaved."""

from __future__ import annotations

import functools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from spark_entities.jobs.benchmark import rivals
from spark_entities.jobs.benchmark.engine import forward_limit
from spark_entities.jobs.benchmark.processes import peak_mib
from spark_entities.jobs.benchmark.workload import find_model, make_documents, write_documents
from spark_entities.jobs.config import SparkSection
from spark_entities.jobs.spark.session import make_session
from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.entities_udf import Kind, make_entities_udf
from spark_entities.udfs.options import ModelOptions, Precision

_TRUNCATED_BELOW = 0.97  # share of the documents' tokens that a contender must have seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What to run on what."""

    lengths: str
    model: str
    documents: int
    repeats: int
    cores: int
    task_cpus: int
    only: list[str] | None
    folder: Path

    @property
    def slots(self) -> int:
        """Tasks at once."""
        return self.cores // self.task_cpus


@dataclass(slots=True, kw_only=True)
class Contender:
    """One way to do the work, and what was measured of it."""

    name: str
    run: Callable[[Path], int]  # a folder of documents in, the number of entities out
    in_spark: bool
    seconds: list[float] = field(default_factory=list)
    entities: int = 0
    model_tokens: int = 0
    padded_tokens: int = 0
    loads: int = 0
    peak_mib: int = 0  # of the largest Spark worker

    @property
    def median_seconds(self) -> float:
        """Seconds of the median run."""
        return statistics.median(self.seconds)

    @property
    def padding_share(self) -> float:
        """Share of padding in what the model was given, 0 to 1."""
        return 1 - self.model_tokens / self.padded_tokens if self.padded_tokens else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of a scenario."""

    scenario: Scenario
    contenders: list[Contender]
    model_tokens: int  # of the documents, overlaps and special tokens counted
    limit: float  # tokens/s of the bare model

    def speed(self, contender: Contender) -> float:
        """Tokens/s of the median run."""
        return self.model_tokens / contender.median_seconds

    def truncates(self, contender: Contender) -> bool:
        """Tell whether a contender has not seen all of the documents."""
        return contender.model_tokens < _TRUNCATED_BELOW * self.model_tokens


def compare(scenario: Scenario) -> Comparison:
    """Run all contenders in turn, on the same files."""
    model = find_model(scenario.model, scenario.folder / "models")
    documents = make_documents(scenario.lengths, scenario.documents)
    data, warm_up = scenario.folder / "documents", scenario.folder / "warm-up"
    write_documents(documents, data, scenario.slots)
    write_documents(["Emma woont in Londen."] * scenario.slots, warm_up, scenario.slots)

    torch.set_num_threads(scenario.cores)
    options = ModelOptions(name=model, precision="float32")
    limits = []
    spark = _session(scenario)
    contenders = list(_contenders(spark, model, scenario))
    for repeat in range(scenario.repeats):
        limits.append(forward_limit(TokenClassifier.load(options, device="cpu").model))
        turn = repeat % len(contenders)
        for contender in contenders[turn:] + contenders[:turn]:
            _measure(contender, spark, warm_up, data)
            print(f"  {contender.name}: {contender.seconds[-1]:.1f} s", flush=True)
    tokens = max(c.model_tokens for c in contenders if c.name.startswith("ours"))
    return Comparison(
        scenario=scenario,
        contenders=contenders,
        model_tokens=tokens,
        limit=statistics.median(limits),
    )


def _session(scenario: Scenario) -> SparkSession:
    config = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.task.cpus": str(scenario.task_cpus),
        "spark.driver.memory": "2g",
        "spark.sql.files.openCostInBytes": "1g",  # a file is a partition
    }
    section = SparkSection(master=f"local[{scenario.cores}]", config=config)
    return make_session(section, "spark-entities benchmark")


def _contenders(spark: SparkSession, model: str, scenario: Scenario) -> Iterator[Contender]:
    slots, task_cpus = scenario.slots, scenario.task_cpus
    in_spark: dict[str, Callable[[Path], int]] = {
        "ours, pandas": partial(_ours, spark, model, "pandas", "float32"),
        "ours, arrow": partial(_ours, spark, model, "arrow", "float32"),
        "ours, int8": partial(_ours, spark, model, "arrow", "int8"),
        **{
            f"pipeline, batch {size}": partial(_column, spark, rivals.pipeline_udf, model, size)
            for size in (1, 8, 32)
        },
        "predict_batch_udf": partial(_column, spark, rivals.predict_batch, model, 32),
    }
    others: dict[str, Callable[[Path], int]] = {
        "pipeline, no Spark": lambda folder: rivals.plain_loop(model, folder, scenario.cores),
    }
    if rivals.installed("ray"):
        others["Ray Data"] = lambda folder: rivals.ray_data(model, folder, slots, task_cpus)
    if rivals.installed("daft"):
        others["Daft"] = lambda folder: rivals.daft_udf(model, folder, slots, task_cpus)
    for name, run in (in_spark | others).items():
        if scenario.only is None or any(name.startswith(prefix) for prefix in scenario.only):
            yield Contender(name=name, run=run, in_spark=name in in_spark)


def _ours(spark: SparkSession, model: str, kind: Kind, precision: Precision, folder: Path) -> int:
    udf = make_entities_udf(ModelOptions(name=model, precision=precision), kind=kind)
    result = spark.read.parquet(str(folder)).withColumn("result", udf("text"))
    totals = ["num_model_tokens", "num_padded_tokens", "num_model_loads"]
    row = result.agg(
        F.sum(F.size("result.entities")).alias("entities"),
        *(F.sum(f"result.metrics.{name}").alias(name) for name in totals),
    ).collect()[0]
    rivals.count_ours(*(row[name] for name in totals))
    return int(row["entities"])


def _column(
    spark: SparkSession,
    make: Callable[[str, int], Callable[[str], Column]],
    model: str,
    batch_size: int,
    folder: Path,
) -> int:
    udf = _made(make, model, batch_size, os.environ[rivals.METER_FOLDER])
    counts = spark.read.parquet(str(folder)).select(udf("text").alias("n"))
    return int(counts.agg(F.sum("n")).collect()[0][0])


@functools.cache
def _made(
    make: Callable[[str, int], Callable[[str], Column]], model: str, batch_size: int, meter: str
) -> Callable[[str], Column]:
    """Make a rival's UDF once for its warm-up and its run: some load a model for each UDF."""
    del meter  # part of the key: a UDF carries the environment it was made in
    return make(model, batch_size)


def _measure(contender: Contender, spark: SparkSession, warm_up: Path, data: Path) -> None:
    """Run a contender once, in worker processes of its own that have loaded their model.

    Spark keeps workers apart by their environment; so the folder that a contender's processes
    report to, given as a variable, gives it its own, and finds them among all processes.
    """
    with tempfile.TemporaryDirectory(prefix="meter-") as meter:
        rivals.start_metering(meter)
        spark.sparkContext.environment[rivals.METER_FOLDER] = meter
        try:
            contender.run(warm_up)
            before = _counts(meter)
            started = time.monotonic()
            contender.entities = contender.run(data)
            contender.seconds.append(time.monotonic() - started)
        finally:
            del spark.sparkContext.environment[rivals.METER_FOLDER]
        after = _counts(meter)
        contender.model_tokens = after["tokens"] - before["tokens"]
        contender.padded_tokens = after["padded_tokens"] - before["padded_tokens"]
        contender.loads = max(contender.loads, after["loads"])
        if contender.in_spark:
            contender.peak_mib = max(contender.peak_mib, peak_mib(meter))


def _counts(meter: str) -> dict[str, int]:
    """Sum what the processes of a contender have counted."""
    reports = [json.loads(path.read_text()) for path in Path(meter).glob("*.json")]
    return {name: sum(report[name] for report in reports) for name in rivals.NO_COUNTS}
