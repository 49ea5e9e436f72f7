"""Tables in: read any table Spark can read, and check the columns a job relies on.

Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from jobs.config import InputSection
from udfs.errors import ConfigError


def read_input(spark: SparkSession, section: InputSection) -> DataFrame:
    """Read the input table.

    Raises:
        ConfigError: if neither or both of path and table are given, or what they name is not there.

    """
    if bool(section.path) == bool(section.table):
        raise ConfigError(
            f"input.path={section.path!r}, input.table={section.table!r}: give exactly one of them."
        )
    try:
        if section.table is not None:
            return spark.table(section.table)
        reader = spark.read.format(section.format).options(**section.options)
        return _named(reader.load(section.path), section)
    except AnalysisException as error:
        key, value = ("path", section.path) if section.path else ("table", section.table)
        raise ConfigError(
            f"input.{key}={value!r} cannot be read as {section.format} "
            f"({error.getCondition()}). Check the name, and input.format."
        ) from error


def _named(df: DataFrame, section: InputSection) -> DataFrame:
    """Name the one column of text files as the configuration does."""
    if section.format == "text" and section.text_column not in df.columns:
        return df.withColumnRenamed("value", section.text_column)
    return df


def check_columns(df: DataFrame, text_column: str, added: Iterable[str]) -> None:
    """Refuse a table without a text column of strings, or with columns that the job would add.

    Raises:
        ConfigError: naming the column and the ones there are.

    """
    fields = {field.name: field.dataType for field in df.schema.fields}
    if text_column not in fields:
        raise ConfigError(
            f"input.text_column={text_column!r} is not a column of the input. Its columns: "
            f"{', '.join(fields)}. Set input.text_column to one of them."
        )
    if not isinstance(fields[text_column], T.StringType):
        raise ConfigError(
            f"input.text_column={text_column!r} is of type {fields[text_column].simpleString()}, "
            f"not string. Choose a column of strings, or cast it first."
        )
    lowered = {name.lower() for name in fields}
    clashes = [name for name in added if name.lower() in lowered]
    if clashes:
        raise ConfigError(
            f"the input already has the columns {', '.join(clashes)}, which this job adds. "
            f"Rename or drop them first."
        )


def quoted(column: str) -> str:
    """Quote a column's name, so that Spark takes none of its characters for syntax.

    >>> quoted("a.b")
    '`a.b`'
    """
    return "`" + column.replace("`", "``") + "`"
