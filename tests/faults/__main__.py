"""Break the job in every way there is a test for, and print what came of it: `make test-faults`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

TESTS = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "spark" / "test_lock.py")]
NOT_HERE = {
    "an object store (S3)": "renames there copy: not promised",
    "a network file system (NFS)": "not tested",
    "a container's memory limit": "SIGKILL of the worker stands for it",
    "a real CUDA error": "one that a scripted model raises stands for it",
}


class Recorder:
    """Collects the outcome of each test, by its name and what it was given."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of a test, or that it could not be set up."""
        if report.when == "call" or report.failed:
            name, _, given = report.nodeid.rpartition("::")[2].partition("[")
            promise = name.removeprefix("test_").replace("_", " ")
            self.rows.append((given.rstrip("]"), promise, report.outcome))


def main() -> int:
    """Run the tests and print the table; returns the exit status of pytest."""
    recorder = Recorder()
    status = int(pytest.main([*TESTS, "-q"], plugins=[recorder]))
    table = Table("fault", "promise", "result")
    for row in recorder.rows:
        table.add_row(*row)
    for fault, why in NOT_HERE.items():
        table.add_row(fault, why, "not tested here")
    Console().print(table)
    return status


if __name__ == "__main__":
    sys.exit(main())
