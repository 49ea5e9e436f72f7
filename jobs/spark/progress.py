"""A live line on a terminal while Spark works: documents, speed, tasks done, time left.

Enters: a session, at work in another thread. Leaves: a line on standard error, gone at the end.
Must not import: torch, transformers. Runs on Spark Connect.

Classic Spark is asked once a second: its status tracker for tasks, its SQL status for documents,
which executors report every ten seconds or so. Spark Connect calls us, and tells of tasks only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession
from pyspark.sql.utils import is_remote
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from spark_entities.jobs.spark.heartbeat import every

_SECONDS = 1.0
_EXECUTIONS = 4  # those at work are among the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What Spark says of its work at one moment."""

    stages: tuple[int, ...]  # those at work
    tasks: int
    done: int
    documents: int | None = None  # that have left the model; none where that is not known


def describe(status: Status, seconds: float) -> str:
    """Put into words what is done after some seconds of the same stages.

    >>> describe(Status(stages=(3,), tasks=150, done=50, documents=12400), 62)
    '12,400 documents · 200 documents/s · 50 of 150 tasks · 0:02:04 left'
    >>> describe(Status(stages=(3,), tasks=1, done=0), 62)
    '0 of 1 task'
    """
    if not status.tasks:
        return ""
    words = []
    if status.documents:
        words += [f"{status.documents:,} documents"]
        words += [f"{status.documents / seconds:,.0f} documents/s"] if seconds >= 1 else []
    words.append(f"{status.done:,} of {status.tasks:,} task{'s' * (status.tasks > 1)}")
    if status.done:
        left = seconds * (status.tasks - status.done) / status.done
        words.append(f"{timedelta(seconds=round(left))} left")
    return " · ".join(words)


@contextmanager
def show_progress(spark: SparkSession, console: Console | None = None) -> Iterator[None]:
    """Show what Spark does meanwhile; nothing without a terminal, or beside Spark's own line."""
    console = console or Console(stderr=True)
    if not console.is_terminal or _has_own_line(spark):
        yield
        return
    columns = BarColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=console, transient=True, refresh_per_second=4) as bar:
        follow = _called if is_remote() else _asked
        with follow(spark, _Line(bar).show):
            yield


def _has_own_line(spark: SparkSession) -> bool:
    return not is_remote() and spark.conf.get("spark.ui.showConsoleProgress", "false") == "true"


class _Line:
    """The line, and since when it has told of the same stages."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)
        self._stages: tuple[int, ...] = ()
        self._since = time.monotonic()

    def show(self, status: Status) -> None:
        if status.stages != self._stages:
            self._stages, self._since = status.stages, time.monotonic()
        self._bar.update(
            self._task,
            total=status.tasks or None,
            completed=status.done,
            description=describe(status, time.monotonic() - self._since),
        )


def _asked(spark: SparkSession, show: Callable[[Status], None]) -> AbstractContextManager[None]:
    """Ask classic Spark from time to time, until it has ended: the run says why."""
    return every(
        _SECONDS, lambda: show(read_status(spark)), name="progress", ended_by=(Py4JError, OSError)
    )


def read_status(spark: SparkSession) -> Status:
    """Ask classic Spark what it is doing."""
    tracker = spark.sparkContext.statusTracker()
    known = {stage: tracker.getStageInfo(stage) for stage in sorted(tracker.getActiveStageIds())}
    stages = {stage: info for stage, info in known.items() if info is not None}
    return Status(
        stages=tuple(stages),
        tasks=sum(info.numTasks for info in stages.values()),
        done=sum(info.numCompletedTasks for info in stages.values()),
        documents=_read_documents(spark),
    )


def _read_documents(spark: SparkSession) -> int | None:
    """Read how many rows have left the UDF in the queries at work, from what Spark's UI shows."""
    try:
        store: Any = spark._jsparkSession.sharedState().statusStore()
        first = max(0, store.executionsCount() - _EXECUTIONS)
        executions = list(_each(store.executionsList(first, _EXECUTIONS)))
        counts = [
            count
            for execution in executions
            if execution.completionTime().isEmpty()
            for count in _count_rows(store, execution.executionId())
        ]
    except (Py4JError, ValueError):  # another Spark may keep it elsewhere, or say it otherwise
        return None
    return sum(counts) if counts else None


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
def _called(spark: SparkSession, show: Callable[[Status], None]) -> Iterator[None]:
    """Have Spark Connect call with what it does."""

    def call(*, stages: Iterable[Any] | None, **_: object) -> None:
        at_work = [stage for stage in stages or () if not stage.done]
        show(
            Status(
                stages=tuple(stage.stage_id for stage in at_work),
                tasks=sum(stage.num_tasks for stage in at_work),
                done=sum(stage.num_completed_tasks for stage in at_work),
            )
        )

    handler: Any = call  # PySpark types it as a class
    spark.registerProgressHandler(handler)
    try:
        yield
    finally:
        spark.removeProgressHandler(handler)
