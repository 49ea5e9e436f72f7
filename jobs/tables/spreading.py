"""How a table is spread over the slots of a cluster.

Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

import logging
import math

from pyspark.sql import DataFrame
from pyspark.sql.utils import is_remote

from spark_entities.jobs.config import InputSection
from spark_entities.jobs.spark.workers import task_slots
from spark_entities.jobs.tables.columns import field

log = logging.getLogger("spark_entities.tables")

_PARTITIONS_PER_SLOT = 3
_MIN_PARTITION_BYTES = 1 << 17


def spread(df: DataFrame, section: InputSection) -> DataFrame:
    """Spread a table of too few partitions, so that no slot of the cluster stays idle.

    Rows go where the hash of their text says: nothing is sorted, a task that is run again sends
    each row to the same place, and equal texts meet, so that they are classified once.

    Without `input.min_partitions`, a table gets some partitions for each slot, since documents
    differ in length, but none of them so small that loading a model would be most of its work. A
    client of Spark Connect sees neither partitions nor slots, so there the table stays as it is.
    """
    found, wanted = plan_spread(df, section)
    if found >= wanted:
        return df
    log.info("The input has %d partitions; it is spread over %d by its text.", found, wanted)
    return df.repartition(wanted, *(field(df, name) for name in section.texts))


def plan_spread(df: DataFrame, section: InputSection) -> tuple[float, int]:
    """Return how many partitions a table has, and how many it should have at least."""
    if is_remote():
        return 0, section.min_partitions or 0
    found = _count_partitions(df) if section.limit is None else 1  # where Spark counts to a limit
    return found, section.min_partitions or _partitions_worth_having(df, found)


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
