"""How far Spark is, asked while it works, for the line that tells it: tasks and documents.

Enters: a session, at work in another thread. Leaves: what phases.py puts into words.
Must not import: torch, transformers. Runs on Spark Connect.

Classic Spark is asked once a second: its status tracker for tasks, its SQL status for documents,
which executors report with their heartbeats. Spark Connect calls us, and tells of tasks only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession
from pyspark.sql.utils import is_remote

from spark_entities.jobs.spark import phases
from spark_entities.jobs.spark.heartbeat import every
from spark_entities.jobs.spark.phases import Status

_SECONDS = 1.0
_EXECUTIONS = 4  # those at work are among the last


@contextmanager
def show_progress(spark: SparkSession) -> Iterator[None]:
    """Tell how far Spark is meanwhile; nobody is told where Spark's own line is there."""
    if phases.are_told() and _has_own_line(spark):
        phases.end_phases()
    follow = _called if is_remote() else _asked
    with follow(spark) if phases.are_told() else nullcontext():
        yield


def _has_own_line(spark: SparkSession) -> bool:
    return not is_remote() and spark.conf.get("spark.ui.showConsoleProgress", "false") == "true"


def _asked(spark: SparkSession) -> AbstractContextManager[None]:
    """Ask classic Spark from time to time, until it has ended: the run says why."""
    return every(
        _SECONDS,
        lambda: phases.follow(read_status(spark)),
        name="progress",
        ended_by=(Py4JError, OSError),
    )


def read_status(spark: SparkSession) -> Status:
    """Ask classic Spark what it is doing."""
    tracker = spark.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    at_work = [stage for stage in stages if stage is not None]
    return Status(
        seconds=time.monotonic(),
        tasks=sum(stage.numTasks for stage in at_work),
        done=sum(stage.numCompletedTasks for stage in at_work),
        documents=_read_documents(spark),
    )


def _read_documents(spark: SparkSession) -> int:
    """Read how many rows have left the UDF in the queries at work, from what Spark's UI shows."""
    try:
        store: Any = spark._jsparkSession.sharedState().statusStore()
        first = max(0, store.executionsCount() - _EXECUTIONS)
        executions = list(_each(store.executionsList(first, _EXECUTIONS)))
        return sum(
            count
            for execution in executions
            if execution.completionTime().isEmpty()
            for count in _count_rows(store, execution.executionId())
        )
    except (Py4JError, ValueError):  # another Spark may keep it elsewhere, or say it otherwise
        return 0


def _count_rows(store: Any, execution: int) -> Iterator[int]:
    values = store.executionMetrics(execution)
    for node in _each(store.planGraph(execution).allNodes()):
        if "EvalPython" in node.name():
            for metric in _each(node.metrics()):
                value = values.get(metric.accumulatorId())
                if metric.name() == "number of output rows" and value.isDefined():
                    yield int(value.get().replace(",", ""))


def _each(values: Any) -> Iterator[Any]:
    """Go through a Scala collection."""
    iterator = values.iterator()
    while iterator.hasNext():
        yield iterator.next()


@contextmanager
def _called(spark: SparkSession) -> Iterator[None]:
    """Have Spark Connect call with what it does."""

    def call(*, stages: Iterable[Any] | None, **_: object) -> None:
        at_work = [stage for stage in stages or () if not stage.done]
        tasks = sum(stage.num_tasks for stage in at_work)
        done = sum(stage.num_completed_tasks for stage in at_work)
        phases.follow(Status(seconds=time.monotonic(), tasks=tasks, done=done))

    handler: Any = call  # PySpark types it as a class
    spark.registerProgressHandler(handler)
    try:
        yield
    finally:
        spark.removeProgressHandler(handler)
