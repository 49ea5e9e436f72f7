"""Break the job in every way there is a test for, and print what came of it: `make test-faults`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

TESTS = str(Path(__file__).parents[1])
NOT_HERE = {
    "an object store (S3)": "renames there copy: not promised",
    "a network file system (NFS)": "locks and renames are as there: not promised",
    "a container's memory limit": "SIGKILL of a worker and of an executor stand for it",
    "a real CUDA error": "one that a forward raises stands for it",
    "Delta Lake, Iceberg": "a data source of the tests stands for them",
}


class Recorder:
    """Collects the outcome of each test that breaks something, as a row of the table."""

    def __init__(self) -> None:
        self.faults: dict[str, tuple[str, str]] = {}
        self.rows: list[tuple[str, str, str, str]] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note what each test breaks, and how."""
        for item in items:
            marker = item.get_closest_marker("fault")
            if marker is not None:
                what, how = marker.args
                self.faults[item.nodeid] = what, how

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of a test, or that it could not be set up."""
        if report.when == "call" or report.failed:
            what, how = self.faults[report.nodeid]
            name, _, given = report.nodeid.rpartition("::")[2].partition("[")
            fault = ": ".join(filter(None, [what, given.rstrip("]")]))
            promise = name.removeprefix("test_").replace("_", " ")
            self.rows.append((fault, how, promise, report.outcome))


def main() -> int:
    """Run the tests and print the table; returns the exit status of pytest."""
    recorder = Recorder()
    status = int(pytest.main([TESTS, "-m", "fault", "-q"], plugins=[recorder]))
    table = Table("fault", "injected how", "promise", "result", show_lines=True)
    for row in recorder.rows:
        table.add_row(*row)
    for fault, why in NOT_HERE.items():
        table.add_row(fault, "", why, "not tested here")
    Console(width=max(Console().width, 140)).print(table)
    return status


if __name__ == "__main__":
    sys.exit(main())
