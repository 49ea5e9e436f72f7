"""Tables in: any table that Spark can read, as a whole or as a stream of what is new.

Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from spark_entities.jobs.config import JDBC, InputSection, resolve_secrets
from spark_entities.jobs.spark.errors import SPARK_ERRORS, name_error
from spark_entities.udfs.errors import ConfigError

_QUIET = {"logServerErrorDetail": "false"}  # else errors quote rows


def check_input(section: InputSection) -> None:
    """Refuse an input that nothing can be read by, without looking for it.

    Raises:
        ConfigError: if neither or both of path and table are given, or a secret is not there.

    """
    if section.format != JDBC and bool(section.path) == bool(section.table):
        raise ConfigError(
            f"input.path={section.path!r}, input.table={section.table!r}: give exactly one of them."
        )
    resolve_secrets(section.options)


def read_input(spark: SparkSession, section: InputSection) -> DataFrame:
    """Read the input table, which `check_input` has looked at.

    Raises:
        ConfigError: if what it names is not there.

    """
    if section.format == JDBC:
        return _read_database(spark, section)
    try:
        if section.table is not None:
            return spark.table(section.table)
        reader = spark.read.format(section.format).options(**resolve_secrets(section.options))
        return _named(reader.load(section.path), section)
    except AnalysisException as error:
        key, value = ("path", section.path) if section.path else ("table", section.table)
        raise ConfigError(
            f"input.{key}={value!r} cannot be read as {section.format} "
            f"({error.getCondition()}). Check the name, and input.format."
        ) from error


def _read_database(spark: SparkSession, section: InputSection) -> DataFrame:
    options = jdbc_options(section.options)
    try:
        return spark.read.format(JDBC).options(**options).load()
    except SPARK_ERRORS as error:
        raise ConfigError(
            f"input.options: the database does not give this table ({name_error(error)}). Check "
            f"url, user, password, and dbtable or query; and that spark.jars has the driver's jar, "
            f"and input.options.driver its class."
        ) from None


def jdbc_options(options: Mapping[str, str]) -> dict[str, str]:
    """Return options with their secrets, by which a driver's errors quote no row."""
    resolved = resolve_secrets(options)
    url = next(value for name, value in resolved.items() if name.lower() == "url")
    quiet = _QUIET if url.startswith("jdbc:postgresql:") else {}
    return {**quiet, **resolved}


def read_stream(spark: SparkSession, section: InputSection, schema: T.StructType) -> DataFrame:
    """Read the input as a stream of what is new, with the columns that it has as a whole."""
    reader = spark.readStream.options(**resolve_secrets(section.options))
    reader = reader.option("maxFilesPerTrigger", section.max_files_per_batch)
    if section.table is not None:
        return reader.table(section.table)
    if section.format != "text":
        reader = reader.schema(schema)
    return _named(reader.format(section.format).load(section.path), section)


def _named(df: DataFrame, section: InputSection) -> DataFrame:
    """Name the one column of text files as the configuration does."""
    if section.format == "text" and section.text_column not in df.columns:
        return df.withColumnRenamed("value", section.text_column)
    return df
