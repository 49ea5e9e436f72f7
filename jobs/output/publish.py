"""Tables out: a result is staged, audited, and put in place whole.

Enters: a planned DataFrame. Leaves: the run in its output, or the output as it was.
Must not import: torch, transformers. Needs classic Spark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql.types import StructType

from spark_entities.jobs.config import (
    FILES,
    JDBC,
    MENTIONS,
    PARQUET,
    OutputSection,
    resolve_secrets,
)
from spark_entities.jobs.output.base import Output
from spark_entities.jobs.output.databases import DatabaseTable
from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.output.mentions import NO_VALUE, count_mentions, lay_out
from spark_entities.jobs.output.run_folders import RunFolders
from spark_entities.jobs.output.run_record import PAGE, RECORD, RunRecord
from spark_entities.jobs.output.text_files import TEXTS, check_count, read_text, write_text
from spark_entities.jobs.output.transactional import TransactionalTable
from spark_entities.jobs.tables.result_columns import ResultColumns
from spark_entities.udfs.errors import PublishError

_KINDS: Mapping[str, type[Output]] = {JDBC: DatabaseTable} | dict.fromkeys(FILES, RunFolders)


def find_output(
    spark: SparkSession,
    section: OutputSection,
    columns: ResultColumns,
    id_column: str | None = None,
) -> Output:
    """Find an output, which may not be there yet.

    Args:
        spark: a classic session.
        section: where it is.
        columns: that a result has beside those of the input.
        id_column: of the documents.

    """
    files = FileSystem(spark, section.staged_beside)
    path = files.qualify(section.staged_beside)
    kind = _KINDS.get(section.format, TransactionalTable)
    return kind(
        spark=spark, section=section, columns=columns, id_column=id_column, path=path, files=files
    )


def read_output(spark: SparkSession, section: OutputSection, schema: StructType) -> DataFrame:
    """Read what stands in an output, of which files of text do not tell the schema."""
    if section.table is not None:
        return spark.table(section.table)
    if section.format in TEXTS:
        return read_text(spark, section.staged_beside, section, schema)
    return spark.read.format(section.format).load(section.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A result that lies beside its output, where no reader looks."""

    output: Output  # held
    run_id: str
    folder: str  # of the run, as it will be put in place
    documents: DataFrame  # as they were written

    def complete(self, record: RunRecord) -> RunRecord:
        """Lay the result out as it is wanted, and add to the record how it lies.

        Raises:
            PublishError: if mentions were lost or doubled.

        """
        section, columns = self.output.section, self.output.columns
        mentions, write = None, write_text if section.format in TEXTS else _write
        rows = lay_out(self.documents, self.output)
        if section.layout == MENTIONS:
            written = write(rows, self.folder, section, self.output.staged_parts)
            mentions = count_mentions(self.documents, columns, written)
        elif section.format in TEXTS:
            written = write(rows, self.folder, section, self.output.staged_parts)
            check_count(record.documents, written.count())
        return replace(
            record,
            format=section.format,
            layout=section.layout,
            partition_by=section.partition_by,
            text_columns=columns.several,
            mentions=mentions,
        )

    def put_in_place(self, record: RunRecord, page: str | None = None) -> None:
        """Publish the result, with its record and, where it belongs there, the page about it."""
        files = self.output.files
        files.create(f"{self.folder}/{RECORD}", record.to_json())
        if page is not None:
            files.create(f"{self.folder}/{PAGE}", page)
        self.output.put_in_place(self.folder.rsplit("/", 1)[0], self.run_id)


@contextmanager
def stage(result: DataFrame, output: Output, run_id: str) -> Iterator[Staged]:
    """Write a result beside its output, for as long as it takes to look at it and put it in place.

    Args:
        result: with the column of its run, which becomes the name of the folder.
        output: held.
        run_id: the run.

    Raises:
        PublishError: if what was written is not what was planned.

    """
    section, folder = output.section, output.run_folder(run_id)
    is_apart = section.layout == MENTIONS or section.format in TEXTS
    staging = output.beside(f"staging-{run_id}")
    documents = f"{staging}-documents" if is_apart else staging
    try:
        parts = () if is_apart else output.staged_parts
        written = _write(result.drop(output.columns.run), f"{documents}/{folder}", section, parts)
        yield Staged(output=output, run_id=run_id, folder=f"{staging}/{folder}", documents=written)
    finally:
        for each in {staging, documents}:
            output.files.delete(each)


def _write(
    planned: DataFrame, folder: str, section: OutputSection, parts: Sequence[str]
) -> DataFrame:
    """Write rows to a folder, and return them as they were written."""
    read = planned.sparkSession.read
    _writer(planned, section).partitionBy(*parts).parquet(folder)
    written = read.schema(planned.schema).parquet(folder)
    if parts and written.isEmpty():  # Spark writes no file then, of which columns could be read
        nowhere = "/".join(f"{name}={NO_VALUE}" for name in parts)
        _writer(planned.limit(0).drop(*parts), section).parquet(f"{folder}/{nowhere}")
    check_schema(planned.drop(*parts).schema, read.parquet(folder).drop(*parts).schema)
    return written


def _writer(df: DataFrame, section: OutputSection) -> DataFrameWriter:
    options = section.options if section.format == PARQUET else {}  # else of where it goes to then
    return df.write.options(**resolve_secrets(options)).option("compression", section.compression)


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
