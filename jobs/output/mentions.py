"""How a result lies in its output: a row for each document or for each mention; in partitions.

Enters: documents with their entities. Leaves: rows of mentions; or the reason why columns of the
input cannot be those that are asked for. Must not import: torch, transformers. Runs on Spark
Connect.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_entities.jobs.config import CSV, MENTIONS, EnrichConfig, OutputSection
from spark_entities.jobs.tables.columns import carried_columns, check_column, quoted
from spark_entities.jobs.tables.result_columns import ResultColumns
from spark_entities.udfs.errors import ConfigError, PublishError

if TYPE_CHECKING:
    from spark_entities.jobs.output.base import Output

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # the folder of null
_NOT_IN_CSV = (T.StructType, T.ArrayType, T.MapType, T.BinaryType, T.VariantType)
_PARTS = (T.StringType, T.IntegralType, T.DateType, T.BooleanType)
_OF_COLUMN = "text_column"
_OF_MENTIONS = {"entity_group", "entity", "score", "index", "word", "start", "end"}


def lay_out(documents: DataFrame, output: Output) -> DataFrame:
    """Lay out enriched documents as an output has them: as they are, or as mentions."""
    if output.section.layout != MENTIONS:
        return documents
    kept = kept_columns(output.section, output.id_column)
    return make_mentions(documents, output.columns, kept)


def make_mentions(documents: DataFrame, columns: ResultColumns, kept: Sequence[str]) -> DataFrame:
    """Lay out enriched documents as mentions, a row each; those without any have no row.

    Args:
        documents: with their entities.
        columns: in which these are; where several have texts, a mention tells of which it is.
        kept: columns of the document that its mentions repeat, first of all its id.

    """
    found = [
        _marked(documents, text.entities, text.name if columns.several else None)
        for text in columns.texts
    ]
    repeated = [F.col(quoted(name)) for name in kept]
    return documents.select(*repeated, F.inline(F.concat(*found)), quoted(columns.model))


def _marked(documents: DataFrame, entities: str, of: str | None) -> Column:
    """Return a column of entities, none of them null, each with the column that it is of."""
    kind = documents.schema[entities].dataType
    assert isinstance(kind, T.ArrayType)
    assert isinstance(kind.elementType, T.StructType)
    names, found = kind.elementType.names, F.coalesce(F.col(quoted(entities)), F.array().cast(kind))
    mark = [] if of is None else [F.lit(of).alias(_OF_COLUMN)]
    return F.transform(
        found, lambda each: F.struct(*mark, *(each[name].alias(name) for name in names))
    )


def count_mentions(documents: DataFrame, columns: ResultColumns, mentions: DataFrame) -> int:
    """Count the mentions that were written, and refuse fewer or more than the documents have."""
    sizes = (F.coalesce(F.array_size(quoted(text.entities)), F.lit(0)) for text in columns.texts)
    total = F.coalesce(F.sum(reduce(add, sizes)), F.lit(0))
    wanted = documents.select(total.alias("mentions")).collect()[0][0]
    written = mentions.count()
    if written != wanted:
        raise PublishError(
            f"{wanted} mentions were found and {written} written; they were not published."
        )
    return written


def kept_columns(section: OutputSection, id_column: str | None) -> list[str]:
    """Name the columns of a document that its mentions repeat: its id, and what parts the files."""
    return list(dict.fromkeys([str(id_column), *section.partition_by]))


def mention_columns(output: Output) -> list[str]:
    """Name the columns of a mention that a table must have to take it, but for the run."""
    of = [_OF_COLUMN] if output.columns.several else []
    kept = kept_columns(output.section, output.id_column)
    return [*kept, *of, "word", "score", "start", "end", output.columns.model]


def check_layout(schema: T.StructType, config: EnrichConfig) -> None:
    """Refuse columns of the input that the output cannot be parted by, or mentions known by.

    Raises:
        ConfigError: naming the column and the ones there are.

    """
    for name in carried_columns(schema, config.input):
        field = schema[name]
        if _has_interval(field.dataType):
            raise ConfigError(
                f"the input's column {field.name!r} is of type {field.dataType.simpleString()}, "
                f"which Parquet does not hold. Leave it out, or cast it to a string first."
            )
    for name in config.output.partition_by:
        _check_partition(schema, config, name)
    if config.input.id_column is not None:
        check_column(schema, config.input, "input.id_column", config.input.id_column)
    if config.output.layout == MENTIONS:
        kept = kept_columns(config.output, config.input.id_column)
        taken = _OF_MENTIONS | ({_OF_COLUMN} if config.input.text_columns else set())
        nested = [name for name in kept if isinstance(schema[name].dataType, _NOT_IN_CSV)]
        if config.output.format == CSV and nested:
            raise ConfigError(
                f"output.format='csv': the columns {', '.join(nested)} of the input hold what no "
                f"field of CSV does. Set output.format to 'json', or choose other columns."
            )
        clashes = [name for name in kept if name.lower() in taken]
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


def _check_partition(schema: T.StructType, config: EnrichConfig, name: str) -> None:
    check_column(schema, config.input, "output.partition_by", name)
    kind, is_text = schema[name].dataType, name in config.input.texts
    is_collated = isinstance(kind, T.StringType) and not kind.isUTF8BinaryCollation()
    if is_text or is_collated or not isinstance(kind, _PARTS):
        raise ConfigError(
            f"output.partition_by names {name!r}, a column of type {kind.simpleString()}"
            f"{' with the texts' if is_text else ''}. Its values name folders: choose "
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
