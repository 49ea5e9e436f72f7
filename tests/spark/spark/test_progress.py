"""The live line on classic Spark: it follows a run, and ends with it."""

import io
import os
import threading
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql.functions import pandas_udf
from rich.console import Console

from spark_entities.jobs.spark.progress import show_progress

GIVE_UP_SECONDS = 120


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


def test_the_line_follows_a_run_and_ends_with_it(spark, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    @pandas_udf("long")
    def wait_at_the_gate(ids: pd.Series) -> pd.Series:
        if (ids >= 10).any():
            Path(gate).read_text()  # until someone opens the other end
        return ids

    screen = Screen("10 documents", "1 of 2 tasks")  # of the first task; they come one by one

    def open_gate():
        screen.shown.wait(GIVE_UP_SECONDS)
        gate.write_text("")

    opener = threading.Thread(target=open_gate)
    opener.start()
    with show_progress(spark, Console(file=screen, force_terminal=True, width=120)):
        ids = spark.range(0, 20, 1, 2).select(wait_at_the_gate("id").alias("id"))
        ids.write.format("noop").mode("overwrite").save()
    opener.join()
    assert screen.shown.is_set()
    assert "progress" not in {thread.name for thread in threading.enumerate()}


def test_the_line_ends_with_a_run_that_fails(spark):
    def names() -> set[str]:
        return {thread.name for thread in threading.enumerate()}

    def fail() -> None:
        with show_progress(spark, Console(file=io.StringIO(), force_terminal=True)):
            assert "progress" in names()
            raise ValueError("the run failed")

    with pytest.raises(ValueError, match="the run failed"):
        fail()
    assert "progress" not in names()
