"""Try a set-up before a run: the settings, the model, the input, the output, a task on each slot.

    spark-entities check --config conf/local.yaml --input.path … --output.path …

It takes what `enrich` takes, refuses what `enrich` refuses, and writes nothing. Where neither input
nor output is named, it tries the cluster alone; on Spark Connect, where results are not published,
what `enrich(df, config)` needs. Must not import: torch, transformers.
Exit status: 0 nothing stands against a run; 1 Spark failed; 2 something does.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

if not __package__:  # run as a file, whose folder must not hide packages named as rooms of ours
    here = Path(__file__).resolve().parent
    sys.path = [path for path in sys.path if Path(path).resolve() != here]
    if here.name == "jobs" and (here.parent / "spark_entities").is_dir():  # a checkout
        sys.path.append(str(here.parent))

from collections.abc import Iterator, Sequence
from typing import cast

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import StructType
from pyspark.sql.utils import is_remote

from spark_entities.jobs.command import run_program
from spark_entities.jobs.config import JDBC, EnrichConfig, read_config
from spark_entities.jobs.enrichment.prepare import check_outputs, prepare, read_documents
from spark_entities.jobs.enrichment.set_up import Setup, set_up
from spark_entities.jobs.output.lock import check_free
from spark_entities.jobs.report.terminal import make_console
from spark_entities.jobs.spark.phases import begin_phases, end_phases, phase
from spark_entities.jobs.spark.preflight import weights_bytes
from spark_entities.jobs.spark.session import is_client
from spark_entities.jobs.spark.workers import task_slots
from spark_entities.jobs.tables.reading import check_input
from spark_entities.jobs.tables.spreading import plan_spread
from spark_entities.udfs.checkpoint import Checkpoint
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.positions import untried
from spark_entities.udfs.task import DEVICE_TYPE, describe_device

_PROGRAM = "spark-entities check"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check from a command line; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    return run_program(lambda: _main(given), refusal="error")


def _main(arguments: Sequence[str]) -> None:
    config = read_config(arguments, program=_PROGRAM)
    begin_phases()
    lines = [*check(None, config)]
    end_phases()
    console = make_console()
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
    console.print("Nothing that was looked at stands against a run.")


def check(spark: SparkSession | None, config: EnrichConfig) -> Iterator[str]:
    """Check all that a configuration names, and tell what was found.

    Args:
        spark: the session; one is started when absent.
        config: of the run.

    Raises:
        ConfigError, ModelLoadError: if something stands against a run.

    """
    has_input = bool(config.input.path or config.input.table or config.input.format == JDBC)
    has_output = bool(config.output.path or config.output.table)
    if has_output or (has_input and not is_client(config.spark)):
        prepared = prepare(spark, config, program=_PROGRAM)
        if prepared.is_broken():
            check_outputs(prepared)
        for output in prepared.outputs:
            check_free(output.files, output.beside("lock"))
        yield from _describe(prepared, prepared.documents)
    else:
        if has_input:
            check_input(config.input)
        ready = set_up(spark, config, program=_PROGRAM)
        yield from _describe(ready, read_documents(ready) if has_input else None)


def _describe(ready: Setup, documents: DataFrame | None) -> Iterator[str]:
    checkpoint = ready.checkpoint
    for finding in ready.warnings:
        yield f"warning: {finding}"
    groups = ", ".join(checkpoint.scheme.groups)
    yield (
        f"model: {checkpoint.identify()}, {checkpoint.num_weights:,} weights, windows of "
        f"{ready.config.classify.window_tokens(checkpoint.read_capacity())} tokens, groups {groups}"
    )
    obstacle = untried(checkpoint.read_type())
    if ready.config.model.precision == "float32":
        obstacle = "packs need half precision"
    layout = f"padded everywhere: {obstacle}" if obstacle else "end to end on GPUs, padded on CPUs"
    yield f"windows: {layout}"
    phase("Trying a task on each slot")
    for device in find_devices(ready.spark):
        check_device(device, checkpoint)
        size = f", {device.memory_bytes >> 20:,} MiB" if device.memory_bytes else ""
        yield f"device: {device.device} on {device.host}{size}: {device.detail}"
    if documents is not None:
        yield from _describe_input(ready, documents)


def _describe_input(ready: Setup, documents: DataFrame) -> Iterator[str]:
    section = ready.config.input
    found, wanted = plan_spread(documents, section)
    spread = f", to be spread over {wanted}" if found < wanted else ""
    counted = "whose partitions no client sees" if is_remote() else _partitions(found)
    yield f"input: {section.path or section.table}, {counted}{spread}"
    if not is_remote() and max(found, wanted) < task_slots(ready.spark):
        yield (
            f"warning: {_partitions(max(found, wanted))} for {task_slots(ready.spark)} task slots: "
            f"the others idle. Set input.min_partitions if documents are slow. [few-partitions]"
        )


def _partitions(count: float) -> str:
    if math.isinf(count):
        return "as many partitions as Spark makes of a shuffle"
    return f"{count} partition{'s' * (count != 1)}"


def find_devices(spark: SparkSession) -> list[Row]:
    """Run a task on each slot and let it tell its device; one of each kind is returned.

    Raises:
        ConfigError: if a task cannot run.

    """

    def describe(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            rows = pa.array([describe_device()], DEVICE_TYPE)
            yield pa.RecordBatch.from_struct_array(rows)

    slots = task_slots(spark)
    tasks = spark.range(0, slots, 1, slots)
    schema = cast("StructType", from_arrow_type(DEVICE_TYPE))
    try:
        return tasks.mapInArrow(describe, schema).distinct().collect()
    except PySparkException as error:  # it may be quoted: the task has seen no document
        raise ConfigError(
            f"a task of this job does not run: {str(error).strip().splitlines()[-1]}. See that the "
            f"executors' Python has what setup.py asks for, and this package. "
            f"[executors-cannot-run]"
        ) from error


def check_device(device: Row, checkpoint: Checkpoint) -> None:
    """Refuse a device that cannot be used, or that the model does not fit on.

    Raises:
        ConfigError: naming the host.

    """
    if device.device is None:
        raise ConfigError(f"on {device.host}: {device.detail} [unusable-device]")
    needed = weights_bytes(checkpoint, on_gpu=device.device != "cpu")
    if device.memory_bytes is not None and device.memory_bytes < needed:
        raise ConfigError(
            f"model.name={checkpoint.options.name} takes {needed >> 20:,} MiB, and {device.device} "
            f"on {device.host} has {device.memory_bytes >> 20:,} MiB. Take a smaller model, a "
            f"larger GPU, or a smaller model.precision. [model-exceeds-device]"
        )


if __name__ == "__main__":
    sys.exit(main())
