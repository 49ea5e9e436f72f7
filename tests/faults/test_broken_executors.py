"""Workers and executors that die or hang: every row comes out once, and nothing is left beside."""

from typing import Any

import pytest

from tests.gpu.fake_gpus import WAYS
from tests.processes import run_module


@pytest.fixture(scope="module")
def results() -> Any:
    """What became of a job, by the way in which something broke meanwhile."""
    return run_module("tests.faults.cluster")


@pytest.mark.parametrize("way", WAYS)
def test_a_job_survives_the_loss_of_a_worker_or_an_executor(results, way):
    assert results[way] == {
        "broke": True,
        "texts": sorted(f"Emma woont in Londen {row}" for row in range(24)),
        "failed": 0,
        "beside": [],
    }
