"""What is new in an input since the last run, batch by batch, each published once.

Enters: an input that grows by files or by rows of a table. Leaves: calls with one batch each.
Must not import: torch, transformers. Needs classic Spark.

    .<name>.incremental/checkpoint         beside the output: Spark's own, what has been read
    .<name>.incremental/fingerprint.json   what the batches before were made with

Spark hands out a batch again if the run died before it was through; its name stays the same, by
which the caller knows a batch that it has published.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession

from spark_entities.jobs.config import InputSection
from spark_entities.jobs.enrichment.settings import Settings
from spark_entities.jobs.output.base import Output
from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.tables.reading import read_stream
from spark_entities.udfs.errors import ConfigError, EnrichmentError


def check_grows(spark: SparkSession, section: InputSection) -> None:
    """Refuse an input that is a single file, in which nothing is ever new."""
    if section.path is not None and FileSystem(spark, section.path).is_file(section.path):
        raise ConfigError(
            f"input.path={section.path!r} is a file, and run.mode=incremental looks for new files. "
            f"Give a folder, or a glob such as 'folder/*.json'."
        )


def check_same_settings(output: Output, settings: Settings, documents: DataFrame) -> None:
    """Refuse to go on with other settings than the runs before, whose results would differ.

    Raises:
        ConfigError: naming what changed.

    """
    now = json.loads(_noted(settings, documents))
    before = json.loads(output.files.read(_note(output)) or "null")
    changed = [
        f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
        for key in sorted({*(before or ()), *now})
        if before is not None and before.get(key) != now.get(key)
    ]
    if changed:
        raise ConfigError(
            f"run.mode=incremental: {'; '.join(changed)}. Results of one output are made alike: "
            f"set it back, or choose another output.path."
        )


def for_each_new_batch(
    documents: DataFrame,
    section: InputSection,
    output: Output,
    settings: Settings,
    publish_batch: Callable[[DataFrame, str], None],
) -> None:
    """Call with each batch of documents that no earlier run has been through, and its name.

    Args:
        documents: the input as a whole, whose columns the batches have.
        section: how it is read.
        output: held, beside which is remembered what has been read.
        settings: what results depend on; `check_same_settings` has looked at them.
        publish_batch: called with a batch and its name.

    """
    files, checkpoint = output.files, f"{output.beside('incremental')}/checkpoint"
    files.create(_note(output), _noted(settings, documents))
    failures: list[EnrichmentError] = []

    def publish(batch: DataFrame, number: int) -> None:
        try:
            publish_batch(batch, f"batch-{_query_id(files, checkpoint)}-{number:06d}")
        except EnrichmentError as error:  # Spark would wrap it in a message of its own
            failures.append(error)
            raise

    stream = read_stream(documents.sparkSession, section, documents.schema)
    writer = stream.writeStream.foreachBatch(publish).trigger(availableNow=True)
    query = writer.option("checkpointLocation", checkpoint).start()
    try:
        query.awaitTermination()
    except StreamingQueryException:
        if failures:
            raise failures[0] from None
        raise


def _note(output: Output) -> str:
    return f"{output.beside('incremental')}/fingerprint.json"


def _noted(settings: Settings, documents: DataFrame) -> str:
    columns = {"input's columns": documents.schema.simpleString()}
    return json.dumps({**settings, **columns}, indent=1, sort_keys=True)


def _query_id(files: FileSystem, checkpoint: str) -> str:
    """Return the start of the name that Spark gave the query for good when it first ran."""
    metadata = json.loads(files.read(f"{checkpoint}/metadata") or "{}")
    return str(metadata["id"])[:8]
