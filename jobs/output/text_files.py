"""Files of text, for those who read no Parquet: JSON lines, and CSV as RFC 4180 has it.

Enters: rows that were staged. Leaves: the same rows in files.
Must not import: torch, transformers. Needs classic Spark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_entities.jobs.config import CSV, JSON, OutputSection, resolve_secrets
from spark_entities.jobs.spark.errors import SPARK_ERRORS, name_error
from spark_entities.udfs.errors import ConfigError, PublishError

TEXTS: Mapping[str, Mapping[str, str]] = {
    JSON: {"ignoreNullFields": "false"},
    CSV: {
        "header": "true",
        "escape": '"',
        "ignoreLeadingWhiteSpace": "false",
        "ignoreTrailingWhiteSpace": "false",
    },
}
"""Formats of text, and what Spark's writers are told so that each row has all, as it is."""


_LINES: Mapping[str, Callable[[Column, dict[str, str]], Column]] = {JSON: F.to_json, CSV: F.to_csv}


def check_options(spark: SparkSession, section: OutputSection) -> None:
    """Refuse options that Spark writes no text by: a constant is tried, by the driver alone.

    Raises:
        ConfigError: naming the option.

    """
    constant = spark.sql("SELECT 1 AS n")
    for name, value in resolve_secrets(section.options).items():
        options = {**TEXTS[section.format], name: value}
        try:
            constant.select(_LINES[section.format](F.struct("n"), options)).collect()
        except SPARK_ERRORS as error:
            raise ConfigError(
                f"output.options.{name} is none that Spark writes {section.format} by "
                f"({name_error(error)}). Set it otherwise, or leave it out."
            ) from None


def write_text(
    rows: DataFrame, folder: str, section: OutputSection, parts: Sequence[str]
) -> DataFrame:
    """Write rows to a folder, and return them as they are read from there."""
    writer = rows.write.format(section.format).options(**_options(section))
    writer = writer.option("compression", section.codec)
    writer.partitionBy(*parts).save(folder)
    return read_text(rows.sparkSession, folder, section, rows.schema)


def read_text(
    spark: SparkSession, folder: str, section: OutputSection, schema: StructType
) -> DataFrame:
    """Read rows from a folder by their columns, which files of text do not tell."""
    reader = spark.read.format(section.format).schema(schema).options(**_options(section))
    if section.format == CSV:
        reader = reader.option("multiLine", True)
    return reader.load(folder)


def _options(section: OutputSection) -> dict[str, str]:
    return {**TEXTS[section.format], **resolve_secrets(section.options)}


def check_count(wanted: int, written: int) -> None:
    """Refuse files that have fewer or more rows than there are documents.

    Raises:
        PublishError: naming the counts.

    """
    if wanted != written:
        raise PublishError(
            f"{wanted} documents were classified and {written} written; they were not published."
        )
