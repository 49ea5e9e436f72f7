"""Try a set-up before a run: the settings, the model, the input, and a task on each slot.

    spark-entities check --config conf/local.yaml --input.path …

It takes what `enrich` takes, and writes nothing. Must not import: torch, transformers.
Exit status: 0 nothing stands against a run; 1 Spark failed; 2 something does.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file, whose folder must not hide packages named as rooms of ours
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if path != str(here)]
    if here.name == "jobs" and (here.parent / "spark_entities").is_dir():  # a checkout
        sys.path.append(str(here.parent))

from collections.abc import Iterator, Sequence
from typing import cast

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession
from pyspark.sql.types import StructType
from pyspark.sql.utils import is_remote

from spark_entities.jobs.config import EnrichConfig, load_config
from spark_entities.jobs.enrich import check_model, check_table, explain
from spark_entities.jobs.report.terminal import make_console
from spark_entities.jobs.spark.preflight import (
    check_settings,
    own_properties,
    session_properties,
    weights_bytes,
)
from spark_entities.jobs.spark.session import make_session, task_slots
from spark_entities.jobs.tables.reading import plan_spread, read_input
from spark_entities.udfs.checkpoint import Checkpoint
from spark_entities.udfs.errors import ConfigError, ModelLoadError
from spark_entities.udfs.schema import spark_type
from spark_entities.udfs.worker import DEVICE_TYPE, describe_device


def main(arguments: Sequence[str] | None = None) -> int:
    """Check from a command line; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        config = load_config(given, program="spark-entities check")
        checkpoint = check_model(config)
        check_settings(own_properties(config.spark), checkpoint, config.spark.allow)
        spark = make_session(config.spark, "spark-entities check")
        lines = [*report(spark, config, checkpoint)]
    except (ConfigError, ModelLoadError) as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except (PySparkException, Py4JJavaError) as error:
        print(f"failed: {explain(error)}", file=sys.stderr)
        return 1
    console = make_console()
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
    return 0


def report(spark: SparkSession, config: EnrichConfig, checkpoint: Checkpoint) -> Iterator[str]:
    """Check all there is to check in a session, and tell what was found.

    Raises:
        ConfigError: if something stands against a run.

    """
    for finding in check_settings(session_properties(spark), checkpoint, config.spark.allow):
        yield f"warning: {finding}"
    groups = ", ".join(checkpoint.scheme.groups)
    yield (
        f"model: {checkpoint.identity}, {checkpoint.num_weights:,} weights, windows of "
        f"{config.classify.window_tokens(checkpoint.capacity)} tokens, groups {groups}"
    )
    for device in find_devices(spark):
        check_device(device, checkpoint)
        size = f", {device.memory_bytes >> 20:,} MiB" if device.memory_bytes else ""
        yield f"device: {device.device} on {device.host}{size}: {device.detail}"
    if config.input.path or config.input.table:
        documents = read_input(spark, config.input)
        check_table(documents, config, checkpoint)
        found, wanted = plan_spread(documents, config.input.min_partitions)
        spread = f", to be spread over {wanted}" if found < wanted else ""
        yield f"input: {config.input.path or config.input.table}, {found} partitions{spread}"
        if not is_remote() and max(found, wanted) < task_slots(spark):
            yield (
                f"warning: {max(found, wanted)} partitions for {task_slots(spark)} task slots: the "
                f"others idle. Set input.min_partitions if documents are slow. [few-partitions]"
            )


def find_devices(spark: SparkSession) -> list[Row]:
    """Run a task on each slot and let it tell its device; one of each kind is returned.

    Raises:
        ConfigError: if a task cannot run.

    """

    def describe(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            rows = pa.array([describe_device()], DEVICE_TYPE)
            yield pa.RecordBatch.from_struct_array(rows)

    slots = 1 if is_remote() else task_slots(spark)
    tasks = spark.range(0, slots, 1, slots)
    schema = cast("StructType", spark_type(DEVICE_TYPE))
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
