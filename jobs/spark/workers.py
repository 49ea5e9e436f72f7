"""The Python workers of a session: how many there are at once, and what keeps them.

Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.utils import is_remote

from spark_entities.jobs.spark.heartbeat import every


def task_slots(spark: SparkSession) -> int:
    """Count the tasks that run at once; 1 on Spark Connect, whose clients cannot see them."""
    if is_remote():
        return 1
    cores = spark.sparkContext.defaultParallelism
    return max(1, cores // int(spark.conf.get("spark.task.cpus", "1") or 1))


def count_executors(spark: SparkSession) -> int:
    """Count the executors that are there; the driver is the only one in local mode."""
    with_driver: int = spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size()
    return max(1, with_driver - 1)


@contextmanager
def keep_workers(
    spark: SparkSession, slots: int | None = None, every_seconds: float = 20
) -> Iterator[None]:
    """Keep Python workers, and the models in them, while nothing runs.

    Spark ends workers after a minute without any Python in their executor, and has no setting for
    it. Inside this context a task that does nothing goes to each slot from time to time.

    Args:
        spark: the session.
        slots: how many tasks run at once; what Spark says when absent, which a client of Spark
            Connect cannot see.
        every_seconds: how often.

    """
    if slots is None:
        slots = task_slots(spark)

    @pandas_udf("long")  # type: ignore[call-overload,untyped-decorator]
    def nothing(values: pd.Series) -> pd.Series:
        return values

    def touch() -> None:
        touched = spark.range(0, slots, 1, slots).select(nothing("id"))
        touched.write.format("noop").mode("overwrite").save()

    with every(every_seconds, touch, name="keep-workers"):
        yield
