"""Tables out: a result is staged, audited, and put in place whole.

Enters: a planned DataFrame. Leaves: the run in its output, or the output as it was.
Must not import: torch, transformers. Needs classic Spark.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from urllib.parse import unquote

from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql.types import StructType

from spark_entities.jobs.config import JDBC, MENTIONS, PARQUET, InputSection, OutputSection
from spark_entities.jobs.output.databases import DatabaseTable
from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.output.lock import hold
from spark_entities.jobs.output.mentions import count_mentions, kept_columns, make_mentions
from spark_entities.jobs.output.run_folders import (
    PAGE,
    RECORD,
    RUN_COLUMN,
    Output,
    RunFolders,
    TransactionalTable,
)
from spark_entities.udfs.errors import ConfigError, PublishError

_KINDS: Mapping[str, type[Output]] = {PARQUET: RunFolders, JDBC: DatabaseTable}
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@contextmanager
def open_output(
    spark: SparkSession, section: OutputSection, df: DataFrame, source: InputSection, run_id: str
) -> Iterator[Output]:
    """Hold an output, having checked that a result can be put there, and mended what broke there.

    Raises:
        ConfigError: if the output stands already and the mode does not allow it, if output and
            input lie in one another, or if another run writes there.

    """
    given = section.staged_beside
    files = FileSystem(spark, given)
    path = files.qualify(given)
    _check_apart(spark, section, path, df, source)
    parent, name = path.rsplit("/", 1)
    kind = _KINDS.get(section.format, TransactionalTable)
    with hold(files, f"{parent}/.{name}.lock", run_id) as lock:
        output = kind(
            spark=spark,
            section=section,
            id_column=source.id_column,
            path=path,
            files=files,
            lock=lock,
        )
        output.mend()
        output.check()
        yield output


def read_output(spark: SparkSession, section: OutputSection) -> DataFrame:
    """Read what stands in an output."""
    if section.table is not None:
        return spark.table(section.table)
    return spark.read.format(section.format).load(section.path)


def _check_apart(
    spark: SparkSession, section: OutputSection, output: str, df: DataFrame, source: InputSection
) -> None:
    """Refuse an output that lies in what is read, or that holds a file which is read."""
    files = [unquote(file).replace("file:///", "file:/", 1) for file in df.inputFiles()]
    if source.path is not None:
        read = {FileSystem(spark, source.path).qualify(source.path)}
    else:
        read = {file.rsplit("/", 1)[0] for file in files}  # the folders of a table
    shared = [folder for folder in read if _covers(folder, output)]
    shared += [file for file in files if _covers(output, file)][:1]
    if section.table is not None and section.table == source.table:
        shared.append(section.table)
    if shared:
        key, value = ("table", section.table) if section.table else ("path", section.path)
        raise ConfigError(
            f"output.{key}={value!r} and the input share {shared[0]}. Results must lie outside "
            f"what is read: choose another output.{key}."
        )


def _covers(pattern: str, path: str) -> bool:
    """Tell whether a path is, or lies in, what a path or glob names.

    >>> _covers("file:/in/*", "file:/in/a/b"), _covers("file:/in", "file:/input")
    (True, False)
    """
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted))


def publish(
    df: DataFrame,
    output: Output,
    run_id: str,
    audit: Callable[[DataFrame], Mapping[str, object]],
    tell: Callable[[DataFrame, Mapping[str, object]], str | None] = lambda *_: None,
) -> None:
    """Write a result beside the output, audit it, and put it in place.

    Args:
        df: the result, with its `entity_run` column, which becomes the name of the folder.
        output: where to.
        run_id: the run.
        audit: given what was written, returns the run's record, or raises `PublishError` if it must
            not be shown.
        tell: given that and the record, returns the page about the run, if it belongs beside them.

    """
    section, folder = output.section, f"{RUN_COLUMN}={run_id}"
    by_mention = section.layout == MENTIONS
    staging = output.beside(f"staging-{run_id}")
    documents = f"{staging}-documents" if by_mention else staging
    try:
        parts = () if by_mention else output.staged_parts
        result = _write(df.drop(RUN_COLUMN), f"{documents}/{folder}", section, parts)
        record = {**audit(result), "layout": section.layout, "partition_by": section.partition_by}
        if by_mention:
            rows = make_mentions(result, kept_columns(section, output.id_column))
            mentions = _write(rows, f"{staging}/{folder}", section, output.staged_parts)
            record["mentions"] = count_mentions(result, mentions)
        output.files.create(f"{staging}/{folder}/{RECORD}", json.dumps(record, indent=1))
        page = tell(result, record)
        if page is not None:
            output.files.create(f"{staging}/{folder}/{PAGE}", page)
        output.lock.check()
        output.put_in_place(staging, run_id)
    finally:
        output.files.delete(staging)
        output.files.delete(documents)


def _write(
    planned: DataFrame, folder: str, section: OutputSection, parts: Sequence[str]
) -> DataFrame:
    """Write rows to a folder, and return them as they were written."""
    read = planned.sparkSession.read
    _writer(planned, section).partitionBy(*parts).parquet(folder)
    written = read.schema(planned.schema).parquet(folder)
    if parts and written.isEmpty():  # Spark writes no file then, of which columns could be read
        nowhere = "/".join(f"{name}={_NO_VALUE}" for name in parts)
        _writer(planned.limit(0).drop(*parts), section).parquet(f"{folder}/{nowhere}")
    check_schema(planned.drop(*parts).schema, read.parquet(folder).drop(*parts).schema)
    return written


def _writer(df: DataFrame, section: OutputSection) -> DataFrameWriter:
    return df.write.option("compression", section.compression)


def check_schema(planned: StructType, written: StructType) -> None:
    """Refuse a result whose columns are not those that were planned."""
    expected, found = (
        [(field.name, field.dataType.simpleString()) for field in schema.fields]
        for schema in (planned, written)
    )
    if expected != found:
        differing = sorted({name for name, _ in {*expected} ^ {*found}})
        raise PublishError(
            f"not written as planned: {', '.join(differing)}; they were not published."
        )
