"""A task that loads the model before the work, where its network is to be asked how it is used.

Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from spark_entities.jobs.spark.phases import phase
from spark_entities.udfs.checkpoint import Checkpoint
from spark_entities.udfs.errors import ModelLoadError
from spark_entities.udfs.positions import untried
from spark_entities.udfs.task import settle_in
from spark_entities.udfs.worker import task_model


def try_model(spark: SparkSession, checkpoint: Checkpoint) -> None:
    """Have a worker load a model of a family that is not known, which keeps it for the work.

    Raises:
        ModelLoadError: in the words of the worker, where it refuses the network.

    """
    if untried(checkpoint.read_type()) is None:
        return
    phase(f"Trying {checkpoint.options.name}")
    options = checkpoint.pin()

    def load(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            settle_in()
            task_model(options)
            yield batch

    try:
        spark.range(0, 1, 1, 1).mapInArrow(load, "id long").collect()
    except PySparkException as error:  # it may be quoted: the task has seen no document
        refusal = re.search(r"ModelLoadError: (.+)", str(error))
        if refusal is None:
            raise
        raise ModelLoadError(refusal[1]) from None
