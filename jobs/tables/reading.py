"""Tables in: read any table Spark can read, and check the columns a job relies on.

Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.utils import is_remote

from spark_entities.jobs.config import JDBC, InputSection, resolve_secrets
from spark_entities.jobs.spark.errors import SPARK_ERRORS, name_error
from spark_entities.jobs.spark.session import task_slots
from spark_entities.udfs.errors import ConfigError

log = logging.getLogger("spark_entities.tables")

_PARTITIONS_PER_SLOT = 3
_MIN_PARTITION_BYTES = 1 << 17
_QUIET = {"logServerErrorDetail": "false"}  # else errors quote rows


def read_input(spark: SparkSession, section: InputSection) -> DataFrame:
    """Read the input table.

    Raises:
        ConfigError: if neither or both of path and table are given, or what they name is not there.

    """
    if section.format == JDBC:
        return _read_database(spark, section)
    if bool(section.path) == bool(section.table):
        raise ConfigError(
            f"input.path={section.path!r}, input.table={section.table!r}: give exactly one of them."
        )
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


def spread(df: DataFrame, text_column: str, min_partitions: int | None) -> DataFrame:
    """Spread a table of too few partitions, so that no slot of the cluster stays idle.

    Rows go where the hash of their text says: nothing is sorted, a task that is run again sends
    each row to the same place, and equal texts meet, so that they are classified once.

    Without `min_partitions`, a table gets some partitions for each slot, since documents differ in
    length, but none of them so small that loading a model would be most of its work. A client of
    Spark Connect sees neither partitions nor slots, so there the table stays as it is.
    """
    found, wanted = plan_spread(df, min_partitions)
    if found >= wanted:
        return df
    log.info("The input has %d partitions; it is spread over %d by its text.", found, wanted)
    return df.repartition(wanted, F.col(quoted(text_column)))


def plan_spread(df: DataFrame, min_partitions: int | None) -> tuple[float, int]:
    """Return how many partitions a table has, and how many it should have at least."""
    if is_remote():
        return 0, min_partitions or 0
    found = _count_partitions(df)
    return found, min_partitions or _partitions_worth_having(df, found)


def _partitions_worth_having(df: DataFrame, found: float) -> int:
    """Return how many partitions to spread a table over; none more where each slot has one."""
    slots = task_slots(df.sparkSession)
    if found >= slots:
        return 0
    size = int(df._jdf.queryExecution().optimizedPlan().stats().sizeInBytes())
    return min(_PARTITIONS_PER_SLOT * slots, size // _MIN_PARTITION_BYTES)


def _count_partitions(df: DataFrame) -> float:
    """Count partitions without running anything; a plan with a shuffle chooses its own."""
    plan = df._jdf.queryExecution().executedPlan()
    if plan.getClass().getSimpleName() == "AdaptiveSparkPlanExec":
        return math.inf
    return df.rdd.getNumPartitions()


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


def check_id(documents: DataFrame, section: InputSection) -> None:
    """Refuse an input without the column by which its documents are known again."""
    if section.id_column not in documents.columns:
        raise ConfigError(
            f"input.id_column={section.id_column!r} is not a column of the input. Its columns: "
            f"{', '.join(documents.columns)}. Set input.id_column to one of them."
        )


def quoted(column: str) -> str:
    """Quote a column's name, so that Spark takes none of its characters for syntax.

    >>> quoted("a.b")
    '`a.b`'
    """
    return "`" + column.replace("`", "``") + "`"


def quoted_table(name: str) -> str:
    """Quote each part of a table's name.

    >>> quoted_table("news.mentions")
    '`news`.`mentions`'
    """
    return ".".join(map(quoted, name.split(".")))
