"""Tables in: any table that Spark can read, as a whole or as a stream of what is new.

Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.utils import is_remote

from spark_entities.jobs.config import JDBC, InputSection, resolve_secrets
from spark_entities.jobs.spark.errors import SPARK_ERRORS, name_error
from spark_entities.jobs.spark.java import quiet_tasks
from spark_entities.jobs.tables.columns import names_are_data
from spark_entities.udfs.errors import ConfigError

_QUIET = {"logServerErrorDetail": "false"}  # else errors quote rows

_FORMATS = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".orc": "orc",
    ".parquet": "parquet",
    ".txt": "text",
}

# Of a table of files, Spark forgets those that are a week older than the newest: it would read none
# that come late, read some twice, and none beside one from the future.
_NEVER_TOO_OLD = "36500d"


def check_input(section: InputSection) -> None:
    """Refuse an input that nothing can be read by, without looking for it.

    Raises:
        ConfigError: if neither or both of path and table are given, a secret is not there, or
            records would be quoted.

    """
    given = {key.lower(): value.lower() for key, value in section.options.items()}
    if given.get("mode") == "failfast":
        raise ConfigError(
            "input.options.mode='FAILFAST': Spark's error quotes the record that it fails at, in "
            "its logs. Leave it out: fields that cannot be read are null then, and every row stays."
        )
    if section.format != JDBC and bool(section.path) == bool(section.table):
        raise ConfigError(
            f"input.path={section.path!r}, input.table={section.table!r}: give exactly one of them."
        )
    if given.get("mode") == "dropmalformed":
        raise ConfigError(
            "input.options.mode='DROPMALFORMED' loses the rows that have a field which cannot be "
            "read. Leave it out: such fields are null then, and every row stays."
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
        with quiet_tasks():  # which read columns
            return _named(reader.load(section.path), section)
    except SPARK_ERRORS as error:
        what = f"table={section.table!r} cannot be read"
        if section.path:
            what = f"path={section.path!r} cannot be read as {section.format}"
        raise ConfigError(
            f"input.{what} ({name_error(error)}). {_what_to_do(error, spark, section)}"
        ) from None


def _what_to_do(error: Exception, spark: SparkSession, section: InputSection) -> str:
    """Say what mends an input that Spark does not read, by the condition that it names."""
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    told = error.getMessageParameters() or {} if isinstance(error, PySparkException) else {}
    kind = told.get("parquetType", "TIME")
    if condition == "COLUMN_ALREADY_EXISTS":
        name = "A column" if names_are_data(section) else f"The column {told.get('columnName')}"
        return (
            f"{name} stands there twice, in capitals or not. Rename one, or set "
            f"spark.sql.caseSensitive in spark.config to 'true'."
        )
    if condition == "PARQUET_TYPE_ILLEGAL" and "TIMESTAMP(NANOS" in kind:
        return (
            f"{_unreadable(section)} of type {kind}. Set spark.sql.legacy.parquet.nanosAsLong in "
            f"spark.config to 'true', by which it is read as a whole number of nanoseconds."
        )
    if condition in ("PARQUET_TYPE_ILLEGAL", "UNSUPPORTED_TIME_TYPE"):
        return (
            f"{_unreadable(section)} of type {kind}, which this Spark does not read. Write the "
            f"files without it, or as another type."
        )
    if section.table is not None:
        catalog = spark.catalog.currentCatalog()
        return f"Check the name, which is looked up in {catalog} where it names no other catalog."
    meant = None if condition == "PATH_NOT_FOUND" else _meant_format(section)
    return f"Did you mean input.format={meant}?" if meant else "Check the name, and input.format."


def _meant_format(section: InputSection) -> str | None:
    """Tell another format than the one that is given, by the name of a local file."""
    place = _local(section)
    file = next((each for each in place.rglob("[!._]*") if each.is_file()), place)
    meant = next((_FORMATS[each] for each in file.suffixes if each in _FORMATS), None)
    return None if meant == section.format else meant


def _local(section: InputSection) -> Path:
    return Path(re.sub("^file:(//)?", "", str(section.path)))


def _unreadable(section: InputSection) -> str:
    """Name the columns of a local Parquet file that Spark does not read."""
    place = _local(section)
    files = [place] if place.is_file() else sorted(place.rglob("*.parquet"))
    names = [field.name for file in files[:1] for field in pq.read_schema(file) if _is_odd(field)]
    return f"It has columns ({', '.join(names)})" if names else "It has a column"


def _is_odd(field: pa.Field) -> bool:
    nanoseconds = pa.types.is_timestamp(field.type) and field.type.unit == "ns"
    return bool(nanoseconds or pa.types.is_time(field.type) or pa.types.is_float16(field.type))


def choose_rows(df: DataFrame, section: InputSection) -> DataFrame:
    """Take the rows of an input that are asked for.

    Raises:
        ConfigError: if the condition is none, or may be met now and not the next time.

    """
    if section.where is not None:
        df = _meeting(df, section.where, section)
    return df if section.limit is None else df.limit(section.limit)


def _meeting(df: DataFrame, condition: str, section: InputSection) -> DataFrame:
    try:
        chosen = df.where(condition)
        _ = chosen.schema  # has Spark Connect look at it
    except SPARK_ERRORS as error:
        there = "" if names_are_data(section) else f": {', '.join(df.columns)}"
        raise ConfigError(
            f"input.where={condition!r} cannot be used ({name_error(error)}). Give a condition in "
            f"Spark's SQL, such as \"lang = 'nl'\", on columns of the input{there}."
        ) from None
    if not is_remote() and not chosen._jdf.queryExecution().analyzed().deterministic():
        raise ConfigError(
            f"input.where={condition!r} is not the same each time it is asked: a task that is run "
            f"again would see other documents. Choose by the columns alone, or by input.limit."
        )
    return chosen


def check_all_read(df: DataFrame, section: InputSection) -> None:
    """Refuse an input of whose files Spark would pass over some.

    Raises:
        ConfigError: if some have a folder's name as a value (`month=05`), and others have none.

    """
    scan = _find_scan(df)
    if scan is None or scan.relation().location().sizeInBytes() == bytes_to_read(df):
        return
    raise ConfigError(
        f"input.path={section.path!r} has files in folders that name a value (name=value) and "
        f"others beside these, which Spark would pass over. Put all of them into such folders; or "
        f"set recursiveFileLookup in input.options, by which no folder names a value."
    )


def bytes_to_read(df: DataFrame) -> int | None:
    """Return how many bytes there are in the files that a table reads, if it reads files."""
    scan = _find_scan(df)
    return None if scan is None else int(scan.selectedPartitions().totalFileSize())


def _find_scan(df: DataFrame) -> Any:
    """Find the node of the physical plan that reads files; nothing if it is another that reads."""
    leaf = df._jdf.queryExecution().sparkPlan().collectLeaves().apply(0)
    return leaf if leaf.getClass().getSimpleName() == "FileSourceScanExec" else None


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


def read_stream(spark: SparkSession, section: InputSection) -> DataFrame:
    """Read a table as a stream of what is new in it."""
    assert section.table is not None
    reader = spark.readStream.option("maxFileAge", _NEVER_TOO_OLD)
    reader = reader.options(**resolve_secrets(section.options))
    return reader.option("maxFilesPerTrigger", section.max_files_per_batch).table(section.table)


def _named(df: DataFrame, section: InputSection) -> DataFrame:
    """Name the one column of text files as the configuration does."""
    if section.format == "text" and section.texts[0] not in df.columns:
        return df.withColumnRenamed("value", section.texts[0])
    return df
