"""The live line on classic Spark: it follows a run, within one task too, and ends with it."""

import io
import os
import threading
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql.functions import pandas_udf
from rich.console import Console

from spark_entities.jobs.spark.phases import begin_phases, end_phases, phase
from spark_entities.jobs.spark.progress import show_progress

GIVE_UP_SECONDS = 120
ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"


class Screen(io.StringIO):
    """A terminal that tells when all of some words have been shown on it."""

    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words, self.shown = words, threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if all(word in self.getvalue() for word in self.words):
            self.shown.set()
        return written


@pytest.fixture
def show():
    """Returns a function that has phases told on a screen."""
    yield lambda screen: begin_phases(Console(file=screen, force_terminal=True, width=120))
    end_phases()


def test_the_line_follows_a_task_while_it_works(spark, tmp_path, show):
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    @pandas_udf("string")
    def wait_at_the_gate(ids: pd.Series) -> pd.Series:
        if (ids >= 10).any():
            Path(gate).read_text()  # until someone opens the other end
        return ids.astype(str) * 20_000  # more than the worker holds back

    screen = Screen("Loading it …", "Classifying 10 of 20 documents")

    def open_gate():
        screen.shown.wait(GIVE_UP_SECONDS)
        gate.write_text("")

    opener = threading.Thread(target=open_gate)
    opener.start()
    show(screen)
    phase("Loading it", then="Classifying", total=20)
    spark.conf.set(ROWS, "10")
    with show_progress(spark):
        ids = spark.range(0, 20, 1, 1).select(wait_at_the_gate("id").alias("id"))
        ids.write.format("noop").mode("overwrite").save()
    spark.conf.unset(ROWS)
    opener.join()
    assert screen.shown.is_set()
    assert "progress" not in {thread.name for thread in threading.enumerate()}


def test_the_line_ends_with_a_run_that_fails(spark, show):
    def names() -> set[str]:
        return {thread.name for thread in threading.enumerate()}

    def fail() -> None:
        with show_progress(spark):
            assert "progress" in names()
            raise ValueError("the run failed")

    show(io.StringIO())
    with pytest.raises(ValueError, match="the run failed"):
        fail()
    assert "progress" not in names()
