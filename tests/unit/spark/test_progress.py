"""The live line: what it says, when it is silent, and that it always ends."""

import io
import threading
from types import SimpleNamespace

import pytest
from py4j.protocol import Py4JError
from rich.console import Console

from spark_entities.jobs.spark import progress
from spark_entities.jobs.spark.progress import Status, describe, show_progress


@pytest.mark.parametrize(
    ("status", "seconds", "line"),
    [
        (Status(stages=(), tasks=0, done=0), 9, ""),
        (Status(stages=(1,), tasks=1, done=0), 9, "0 of 1 task"),
        (Status(stages=(1,), tasks=4, done=0), 9, "0 of 4 tasks"),
        (Status(stages=(1,), tasks=4, done=1), 10, "1 of 4 tasks · 0:00:30 left"),
        (Status(stages=(1,), tasks=4, done=4), 10, "4 of 4 tasks · 0:00:00 left"),
        (Status(stages=(1,), tasks=2, done=0, documents=0), 0, "0 of 2 tasks"),
        (Status(stages=(1,), tasks=2, done=0, documents=7), 0, "7 documents · 0 of 2 tasks"),
        (
            Status(stages=(1,), tasks=2000, done=500, documents=3_000_000),
            7200,
            "3,000,000 documents · 417 documents/s · 500 of 2,000 tasks · 6:00:00 left",
        ),
    ],
)
def test_the_line_tells_what_is_known(status, seconds, line):
    assert describe(status, seconds) == line


def test_without_a_terminal_nothing_is_asked_and_nothing_said(capfd):
    with show_progress(None):  # any use of the session would fail
        assert "progress" not in {thread.name for thread in threading.enumerate()}
    assert capfd.readouterr() == ("", "")


class ConnectClient:
    """What a session of Spark Connect has for those who follow it."""

    def __init__(self):
        self.handlers = []

    def registerProgressHandler(self, handler):  # noqa: N802
        self.handlers.append(handler)

    def removeProgressHandler(self, handler):  # noqa: N802
        self.handlers.remove(handler)


def test_on_spark_connect_the_client_is_told_and_then_left_alone(monkeypatch):
    monkeypatch.setattr(progress, "is_remote", lambda: True)
    client, shown = ConnectClient(), io.StringIO()
    done = SimpleNamespace(stage_id=1, num_tasks=9, num_completed_tasks=9, done=True)
    at_work = SimpleNamespace(stage_id=2, num_tasks=8, num_completed_tasks=2, done=False)

    def work():
        with show_progress(client, Console(file=shown, force_terminal=True, width=120)):
            (handler,) = client.handlers
            handler(stages=[done, at_work], inflight_tasks=2, operation_id="x", done=False)
            handler(stages=None, inflight_tasks=0, operation_id="x", done=True)
            handler(stages=[done, at_work], inflight_tasks=2, operation_id="x", done=False)
            raise ValueError("the run failed")

    with pytest.raises(ValueError, match="the run failed"):
        work()
    assert client.handlers == []
    assert "2 of 8 tasks" in shown.getvalue()


@pytest.mark.parametrize("error", [Py4JError("gone"), ConnectionResetError("gone")])
def test_where_classic_spark_has_ended_nobody_is_told_by_the_line(monkeypatch, error):
    def read_status(spark):
        raise error

    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    monkeypatch.setattr(progress, "_SECONDS", 0.001)
    monkeypatch.setattr(progress, "read_status", read_status)
    session = SimpleNamespace(conf={})
    with show_progress(session, Console(file=io.StringIO(), force_terminal=True)):
        for asker in [each for each in threading.enumerate() if each.name == "progress"]:
            asker.join(60)  # it may have ended already
            assert not asker.is_alive()
    assert told == []
