"""Workers and executors that die, hang or fall behind: every row comes out once, nothing leaks."""

from typing import Any

import pytest

from tests.faults.cluster import ROWS
from tests.faults.sentinels import IDENTIFIER
from tests.gpu.fake_gpus import WAYS
from tests.support.processes import run_module

SURVIVED = {
    "broke": True,
    "ids": sorted(f"{IDENTIFIER}-{row}" for row in range(ROWS)),
    "failed": 1,
    "beside": [],
    "leaks": [],
    "quarantine": "1 failed, 0 quoted",
}


@pytest.fixture(scope="module")
def results() -> Any:
    """What became of a job, by the way in which something broke meanwhile."""
    return run_module("tests.faults.cluster")


@pytest.mark.fault(
    "on an executor", "by the forward of one task, on two executors of a local cluster"
)
@pytest.mark.parametrize("way", WAYS)
def test_a_job_survives_the_loss_of_a_worker_or_an_executor(results, way):
    assert results[way] == SURVIVED


@pytest.mark.fault(
    "all of these, one after the other",
    "sentinels in documents, ids and secrets; UI, event log, logs, commands searched",
)
def test_nothing_leaks_while_workers_and_executors_break(results):
    assert results["searched"] == {
        "leaks": [],
        "secret is known to Spark": True,
        "interface": True,
        "commands": True,
        "events": True,
        "logs": True,
    }


@pytest.mark.slow
@pytest.mark.fault("a task that stands still", "speculation, on two hosts of a standalone cluster")
def test_of_a_task_and_its_speculative_twin_one_is_published():
    result = run_module("tests.faults.speculation")
    assert result.pop("ended for a twin") >= 1
    assert result == SURVIVED
