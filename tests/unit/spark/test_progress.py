"""Who is asked how far Spark is, who is not, and that it always ends."""

import io
import threading
from types import SimpleNamespace

import pytest
from py4j.protocol import Py4JError
from rich.console import Console

from spark_entities.jobs.spark import phases, progress
from spark_entities.jobs.spark.progress import show_progress


@pytest.fixture
def screen():
    """What is shown on a terminal, while phases are told."""
    shown = io.StringIO()
    phases.begin_phases(Console(file=shown, force_terminal=True, width=120))
    yield shown
    phases.end_phases()


def asking() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "progress"]


def test_where_nobody_is_told_nothing_is_asked():
    with show_progress(None):  # any use of the session would fail
        assert not asking()


def test_beside_sparks_own_line_nobody_is_told(screen):
    with show_progress(SimpleNamespace(conf={"spark.ui.showConsoleProgress": "true"})):
        assert not asking()
        phases.phase("Checking")
    assert "Checking" not in screen.getvalue()


class ConnectClient:
    """What a session of Spark Connect has for those who follow it."""

    def __init__(self):
        self.handlers = []

    def registerProgressHandler(self, handler):  # noqa: N802
        self.handlers.append(handler)

    def removeProgressHandler(self, handler):  # noqa: N802
        self.handlers.remove(handler)


def test_on_spark_connect_the_client_is_told_and_then_left_alone(monkeypatch, screen):
    monkeypatch.setattr(progress, "is_remote", lambda: True)
    client = ConnectClient()
    done = SimpleNamespace(stage_id=1, num_tasks=9, num_completed_tasks=9, done=True)
    at_work = SimpleNamespace(stage_id=2, num_tasks=8, num_completed_tasks=2, done=False)

    def work():
        phases.phase("Counting")
        with show_progress(client):
            (handler,) = client.handlers
            handler(stages=[done, at_work], inflight_tasks=2, operation_id="x", done=False)
            handler(stages=None, inflight_tasks=0, operation_id="x", done=True)
            handler(stages=[done, at_work], inflight_tasks=2, operation_id="x", done=False)
            raise ValueError("the run failed")

    with pytest.raises(ValueError, match="the run failed"):
        work()
    phases.end_phases()
    assert client.handlers == []
    assert "Counting · 2 of 8 tasks" in screen.getvalue()


@pytest.mark.parametrize("error", [Py4JError("gone"), ConnectionResetError("gone")])
def test_where_classic_spark_has_ended_nobody_is_told_by_the_line(monkeypatch, screen, error):
    def read_status(spark):
        raise error

    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    monkeypatch.setattr(progress, "_SECONDS", 0.001)
    monkeypatch.setattr(progress, "read_status", read_status)
    with show_progress(SimpleNamespace(conf={})):
        for asker in asking():
            asker.join(60)  # it may have ended already
            assert not asker.is_alive()
    assert told == []
