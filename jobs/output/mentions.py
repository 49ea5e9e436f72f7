"""How a result lies in its output: a row for each document or for each mention; in partitions.

Enters: documents with their entities. Leaves: rows of mentions; or the reason why columns of the
input cannot be those that are asked for. Must not import: torch, transformers. Runs on Spark
Connect.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_entities.jobs.config import MENTIONS, EnrichConfig, InputSection, OutputSection
from spark_entities.jobs.tables.columns import ENTITIES, ENTITY_MODEL, check_column, quoted
from spark_entities.udfs.errors import ConfigError, PublishError

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # the folder of null
_PARTS = (T.StringType, T.IntegralType, T.DateType, T.BooleanType)
_OF_MENTIONS = {"entity_group", "entity", "score", "index", "word", "start", "end"}


def make_mentions(documents: DataFrame, kept: Sequence[str]) -> DataFrame:
    """Lay out enriched documents as mentions, a row each; those without any have no row.

    Args:
        documents: with the columns `entities` and `entity_model`.
        kept: columns of the document that its mentions repeat, first of all its id.

    """
    columns = [F.col(quoted(name)) for name in kept]
    return documents.select(*columns, F.inline(ENTITIES), ENTITY_MODEL)


def count_mentions(documents: DataFrame, mentions: DataFrame) -> int:
    """Count the mentions that were written, and refuse fewer or more than the documents have."""
    sizes = F.sum(F.coalesce(F.array_size(ENTITIES), F.lit(0)))
    wanted = documents.select(F.coalesce(sizes, F.lit(0)).alias("mentions")).collect()[0][0]
    written = mentions.count()
    if written != wanted:
        raise PublishError(
            f"{wanted} mentions were found and {written} written; they were not published."
        )
    return written


def kept_columns(section: OutputSection, id_column: str | None) -> list[str]:
    """Name the columns of a document that its mentions repeat: its id, and what parts the files."""
    return list(dict.fromkeys([str(id_column), *section.partition_by]))


def check_layout(df: DataFrame, config: EnrichConfig) -> None:
    """Refuse columns of the input that the output cannot be parted by, or mentions known by.

    Raises:
        ConfigError: naming the column and the ones there are.

    """
    for field in df.schema:
        if _has_interval(field.dataType):
            raise ConfigError(
                f"the input's column {field.name!r} is of type {field.dataType.simpleString()}, "
                f"which Parquet does not hold. Leave it out, or cast it to a string first."
            )
    for name in config.output.partition_by:
        _check_partition(df, config.input, name)
    if config.output.layout == MENTIONS:
        check_column(df, config.input, "input.id_column", config.input.id_column)
        kept = kept_columns(config.output, config.input.id_column)
        clashes = [name for name in kept if name.lower() in _OF_MENTIONS]
        if clashes:
            raise ConfigError(
                f"output.layout='mentions': the columns {', '.join(clashes)} of the input would "
                f"stand beside those of a mention that have these names. Rename them first."
            )


def _has_interval(kind: T.DataType) -> bool:
    """Tell whether a type is an interval of months, days and microseconds together, or holds one.

    Those of months, or of days and parts of them, can be written.
    """
    if isinstance(kind, T.StructType):
        return any(_has_interval(field.dataType) for field in kind)
    if isinstance(kind, T.ArrayType):
        return _has_interval(kind.elementType)
    if isinstance(kind, T.MapType):
        return _has_interval(kind.keyType) or _has_interval(kind.valueType)
    return isinstance(kind, T.CalendarIntervalType)


def _check_partition(df: DataFrame, section: InputSection, name: str) -> None:
    check_column(df, section, "output.partition_by", name)
    fields, text_column = (
        {each.name: each.dataType for each in df.schema.fields},
        section.text_column,
    )
    if name == text_column or not isinstance(fields[name], _PARTS):
        raise ConfigError(
            f"output.partition_by names {name!r}, a column of type {fields[name].simpleString()}"
            f"{' with the texts' if name == text_column else ''}. Its values name folders: choose "
            f"a column of short strings, whole numbers, dates or booleans."
        )


def check_parts(documents: DataFrame, partition_by: Sequence[str]) -> None:
    """Refuse documents whose value names no folder, so that readers would find null in its place.

    Raises:
        PublishError: naming the column.

    """
    strings = {field.name for field in documents.schema if isinstance(field.dataType, T.StringType)}
    names = [name for name in partition_by if name in strings]
    if not names:
        return
    nameless = [F.bool_or(F.col(quoted(name)).isin("", NO_VALUE)).alias(name) for name in names]
    found = documents.select(*nameless).collect()[0]
    for name in names:
        if found[name]:
            raise PublishError(
                f"output.partition_by names {name!r}, which is empty in some documents: as the "
                f"name of a folder that is read as null. Nothing was published; give those "
                f"documents another value, or part by another column."
            )
