"""What is told of a program's phases: on a terminal, elsewhere, and where nobody is told."""

import io
import os
import pty
import subprocess
import sys
from contextlib import contextmanager

from rich.console import Console

from spark_entities.jobs.spark import phases
from spark_entities.jobs.spark.phases import Phase, Status
from tests.support.processes import ROOT

REFUSED = [sys.executable, "-m", "spark_entities.jobs", "enrich", "--input.path", "nowhere"]


def told(*statuses: Status, total: int | None = None) -> str:
    """What a phase that loads a model says of the last of some statuses."""
    phase = Phase("Loading bundled", then="Classifying", total=total)
    return [phase.follow(status) for status in statuses][-1]


def at(seconds: float, documents: int = 0, done: int = 0, tasks: int = 1) -> Status:
    return Status(seconds=seconds, tasks=tasks, done=done, documents=documents)


def test_a_model_is_loaded_until_documents_leave_it():
    assert told(at(0)) == "Loading bundled …"
    assert told(at(0, tasks=4), at(50, tasks=4, done=1)) == "Loading bundled · 1 of 4 tasks"
    assert told(at(0), at(50, 7), total=700) == "Classifying 7 of 700 documents"
    assert told(at(0), at(50, 7)) == "Classifying 7 documents · 0 of 1 task"


def test_the_load_is_no_part_of_speed_and_time_left():
    """100 documents in 10 s, after 50 s of load: 900 more take 90 s."""
    said = told(at(0), at(50, 100), at(60, 200), total=1100)
    assert said == "Classifying 200 of 1,100 documents · 10 documents/s · 0:01:30 left"


def test_time_left_goes_on_where_executors_are_silent():
    said = told(at(50, 100), at(60, 200), at(65, 200), total=1100)
    assert said.endswith("· 10 documents/s · 0:01:25 left")
    assert told(at(50, 100), at(60, 200), at(600, 200), total=1100).endswith("· 0:00:00 left")


def test_where_the_number_of_documents_is_not_known_tasks_tell_the_time_left():
    said = told(at(50, 100, tasks=4), at(60, 200, done=1, tasks=4))
    assert said == "Classifying 200 documents · 10 documents/s · 1 of 4 tasks · 0:00:30 left"


def test_of_one_task_and_no_known_number_there_is_no_time_left():
    said = told(at(50, 100), at(60, 200))
    assert said == "Classifying 200 documents · 10 documents/s · 0 of 1 task"


def test_tasks_that_run_again_make_more_documents_than_there_are():
    said = told(at(50, 100), at(60, 200), total=150)
    assert said == "Classifying 200 documents · 10 documents/s · 0 of 1 task"


@contextmanager
def line(*, terminal: bool):
    screen = io.StringIO()
    phases.begin_phases(Console(file=screen, force_terminal=terminal, width=120))
    try:
        yield screen
    finally:
        phases.end_phases()


def test_where_there_is_no_terminal_each_phase_is_a_line_once():
    with line(terminal=False) as screen:
        for _ in "two", "batches":
            phases.phase("Loading [bundled]", then="Classifying")
            for status in at(1), at(2, 5), at(3, 9):
                phases.follow(status)
            phases.phase("Checking")
    assert screen.getvalue() == "Loading [bundled] …\nClassifying …\nChecking …\n"


def test_on_a_terminal_there_is_one_line_that_goes():
    with line(terminal=True) as screen:
        phases.phase("Loading [bundled]", then="Classifying")
        phases.follow(at(2, 5))
    shown = screen.getvalue()
    assert "Loading [bundled] …" in shown
    assert "Classifying 5 documents · 0 of 1 task" in shown
    assert shown.endswith("\x1b[2K")  # the line is taken off


def test_where_no_program_has_begun_nobody_is_told(capfd):
    phases.phase("Checking")
    phases.follow(at(1))
    phases.end_phases()
    assert capfd.readouterr() == ("", "")


def test_a_refusal_comes_before_spark_is_started():
    done = subprocess.run(REFUSED, cwd=ROOT, capture_output=True, text=True, check=False)
    first, refusal = done.stderr.splitlines()
    assert first == "Checking the settings …"
    assert refusal.startswith("refused: output.path is missing.")


def test_on_a_terminal_a_refusal_stands_alone_and_the_cursor_is_back():
    ours, theirs = pty.openpty()
    with subprocess.Popen(REFUSED, cwd=ROOT, stderr=theirs, env=os.environ | {"TERM": "xterm"}):
        os.close(theirs)
        shown = "".join(iter(lambda: read_terminal(ours), ""))
    os.close(ours)
    assert "Checking the settings …" in shown
    kept, _, refusal = shown.rpartition("\x1b[2K")
    assert "\x1b[?25h" in kept
    assert refusal.startswith("refused: output.path is missing.")


def read_terminal(terminal: int) -> str:
    """Read what is shown on a terminal; nothing once its other end is closed."""
    try:
        return os.read(terminal, 1 << 16).decode(errors="replace")
    except OSError:
        return ""
