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
from collections.abc import Callable, Mapping

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame

from spark_entities.jobs.config import InputSection
from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.tables.reading import read_stream
from spark_entities.udfs.errors import ConfigError, EnrichmentError


def for_each_new_batch(
    documents: DataFrame,
    section: InputSection,
    files: FileSystem,
    folder: str,
    fingerprint: Mapping[str, object],
    handle: Callable[[DataFrame, str], None],
) -> None:
    """Call with each batch of documents that no earlier run has been through, and its name.

    Args:
        documents: the input as a whole, whose columns the batches have.
        section: how it is read.
        files: the file system of the folder.
        folder: where what has been read is remembered.
        fingerprint: what results depend on; the same for all runs that share a folder.
        handle: called with a batch and its name.

    Raises:
        ConfigError: if the input is a single file, or the fingerprint is not that of the runs
            before, naming what changed.

    """
    spark = documents.sparkSession
    if section.path is not None and FileSystem(spark, section.path).is_file(section.path):
        raise ConfigError(
            f"input.path={section.path!r} is a file, and run.mode=incremental looks for new files. "
            f"Give a folder, or a glob such as 'folder/*.json'."
        )
    check_fingerprint(files, f"{folder}/fingerprint.json", fingerprint)
    checkpoint = f"{folder}/checkpoint"
    failures: list[EnrichmentError] = []

    def handle_batch(batch: DataFrame, number: int) -> None:
        try:
            handle(batch, f"batch-{_query_id(files, checkpoint)}-{number:06d}")
        except EnrichmentError as error:  # Spark would wrap it in a message of its own
            failures.append(error)
            raise

    stream = read_stream(spark, section, documents.schema)
    writer = stream.writeStream.foreachBatch(handle_batch).trigger(availableNow=True)
    query = writer.option("checkpointLocation", checkpoint).start()
    try:
        query.awaitTermination()
    except StreamingQueryException:
        if failures:
            raise failures[0] from None
        raise


def _query_id(files: FileSystem, checkpoint: str) -> str:
    """Return the start of the name that Spark gave the query for good when it first ran."""
    metadata = json.loads(files.read(f"{checkpoint}/metadata") or "{}")
    return str(metadata["id"])[:8]


def check_fingerprint(files: FileSystem, path: str, fingerprint: Mapping[str, object]) -> None:
    """Refuse to go on with other settings than the runs before, whose results would differ.

    Raises:
        ConfigError: naming what changed.

    """
    given = json.dumps(fingerprint, indent=1, sort_keys=True)
    if files.create(path, given):
        return
    before = json.loads(files.read(path) or "{}")
    now = json.loads(given)
    changed = [
        f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
    if changed:
        raise ConfigError(
            f"run.mode=incremental: {'; '.join(changed)}. Results of one output are made alike: "
            f"set it back, or choose another output.path."
        )
