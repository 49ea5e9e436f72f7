"""What is new in an input since the last run, batch by batch, each published once.

Enters: an input that grows by files or by rows of a table. Leaves: calls with one batch each.
Must not import: torch, transformers. Needs classic Spark.

    .<name>.incremental/fingerprint.json   beside the output: what the batches before were made with
    .<name>.incremental/seen, pending.json of files: see new_files.py
    .<name>.incremental/checkpoint         of tables: Spark's own

A batch that a run died in is handed out again; its name stays the same, by which the caller knows
one that it has published.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession

from spark_entities.jobs.config import InputSection
from spark_entities.jobs.enrichment.new_files import SeenFiles, for_each_batch_of_files
from spark_entities.jobs.enrichment.settings import Settings
from spark_entities.jobs.output.base import Output
from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.tables.columns import names_are_data
from spark_entities.jobs.tables.reading import read_stream
from spark_entities.udfs.errors import ConfigError, EnrichmentError

_COLUMNS = "input's columns"
_LATER = {"input.where", "input.columns", "output.drop_text"}  # keys that older notes lack


def check_grows(spark: SparkSession, section: InputSection) -> None:
    """Refuse an input that is a single file, in which nothing is ever new."""
    assert section.path is not None
    if FileSystem(spark, section.path).is_file(section.path):
        raise ConfigError(
            f"input.path={section.path!r} is a file, and run.mode=incremental looks for new files. "
            f"Give a folder, or a glob such as 'folder/*.json'."
        )


def check_goes_on(
    output: Output, settings: Settings, documents: DataFrame, section: InputSection
) -> None:
    """Refuse to go on where the runs before left off, if that would lose or mix results.

    Raises:
        ConfigError: if settings are others, naming them; or the output is gone.

    """
    now = json.loads(_noted(output, settings, documents, section))
    changed = _changed(_read_note(output), now)
    if _COLUMNS in changed and names_are_data(section):
        changed[_COLUMNS] = "are others than before (their names are in the files)"
    if changed:
        told = "; ".join(f"{key} {what}" for key, what in changed.items())
        raise ConfigError(
            f"run.mode=incremental: {told}. Results of one output are made alike: set it back, or "
            f"choose another output.path."
        )
    if not output.stands() and _remembers(output):
        raise ConfigError(
            f"{output.describe(None)} is gone, and {output.beside('incremental')} remembers what "
            f"was published there. Restore it; or delete what is remembered, to publish all anew."
        )


def _changed(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, str]:
    """Say of each setting that is another than before what it was and is."""
    if before is None:
        return {}
    return {
        key: f"was {before.get(key)!r} and is {now.get(key)!r}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key) and not (key in _LATER and key not in before)
    }


def _read_note(output: Output) -> dict[str, Any] | None:
    try:
        note = json.loads(output.files.read(_note(output)) or "null")
        if note is None or isinstance(note, dict):
            return note
    except ValueError:
        pass
    raise ConfigError(
        f"{_note(output)}, which tells what the batches before were made with, was cut off or "
        f"changed. Restore it; or delete it, if the settings are as they were."
    )


def _remembers(output: Output) -> bool:
    """Tell whether anything was published there before."""
    of_table = output.files.children(f"{_checkpoint(output)}/commits")
    return bool(of_table or SeenFiles(output).batches())


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
        settings: what results depend on; `check_goes_on` has looked at them.
        publish_batch: called with a batch and its name, which it passes over if the output has it.

    """
    files, noted = output.files, _noted(output, settings, documents, section)
    if files.read(_note(output)) != noted:  # it may be empty, or an older one
        files.delete(_note(output))
        files.create(_note(output), noted)
    if section.table is None:
        for_each_batch_of_files(documents, section.max_files_per_batch, output, publish_batch)
    else:
        _follow_table(documents, section, output, publish_batch)


def _follow_table(
    documents: DataFrame,
    section: InputSection,
    output: Output,
    publish_batch: Callable[[DataFrame, str], None],
) -> None:
    """Let the format of a table tell what is new in it, by a stream."""
    checkpoint = _checkpoint(output)
    failures: list[EnrichmentError] = []

    def publish(batch: DataFrame, number: int) -> None:
        try:
            publish_batch(batch, f"batch-{_query_id(output.files, checkpoint)}-{number:06d}")
        except EnrichmentError as error:  # Spark would wrap it in a message of its own
            failures.append(error)
            raise

    stream = read_stream(documents.sparkSession, section)
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


def _checkpoint(output: Output) -> str:
    return f"{output.beside('incremental')}/checkpoint"


def _noted(output: Output, settings: Settings, documents: DataFrame, section: InputSection) -> str:
    """Write out what batches are made with: settings, and which rows and columns they have."""
    chosen = {
        _COLUMNS: documents.schema.simpleString(),
        "input.where": section.where,
        "input.columns": section.columns,
        "output.drop_text": output.section.drop_text,
    }
    return json.dumps({**settings, **chosen}, indent=1, sort_keys=True)


def _query_id(files: FileSystem, checkpoint: str) -> str:
    """Return the start of the name that Spark gave the query for good when it first ran."""
    metadata = json.loads(files.read(f"{checkpoint}/metadata") or "{}")
    return str(metadata["id"])[:8]
