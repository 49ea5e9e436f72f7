"""Once per GPU executor, on real executors with fake GPUs: see `cluster` and `fake_gpus`."""

from typing import Any

import pytest

from tests.support.processes import run_module


def run(scenario: str) -> Any:
    return run_module("tests.gpu.cluster", scenario)


@pytest.mark.slow
def test_two_executors_load_the_model_once_each_on_their_own_gpu():
    result = run("one_gpu_each")
    assert result["first"] == {"rows": 128, "loads": {"cuda:4": 1, "cuda:6": 1}}
    assert result["second"] == {"rows": 16, "loads": {"cuda:4": 0, "cuda:6": 0}}
    # After a pause that ends idle workers, `keep_workers` has kept these.
    assert result["rested"] == {"rows": 8, "loads": {"cuda:4": 0, "cuda:6": 0}}
    assert sorted((each["device"], each["detail"]) for each in result["devices"]) == [
        ("cuda:4", "Spark assigned GPU 4"),
        ("cuda:6", "Spark assigned GPU 6"),
    ]
    chosen = sorted(line for line in result["log"] if line.startswith("Computing"))
    assert chosen == [
        "Computing on cuda:4: Spark assigned GPU 4.",
        "Computing on cuda:6: Spark assigned GPU 6.",
    ]


@pytest.mark.slow
def test_a_worker_that_is_handed_another_gpu_loads_for_it_and_keeps_both():
    result = run("several_gpus_each")
    assert [result[turn]["loads"] for turn in ("first", "other", "first again", "other again")] == [
        {"cuda:4": 1},
        {"cuda:5": 1},
        {"cuda:4": 0},
        {"cuda:5": 0},
    ]


@pytest.mark.slow
def test_tasks_of_a_resource_profile_compute_on_the_gpu_it_gives_them():
    result = run("by_profile")
    assert result["with"] == {"rows": 32, "loads": {"cuda:4": 1, "cuda:6": 1}}
    assert result["again"] == {"rows": 32, "loads": {"cuda:4": 0, "cuda:6": 0}}


@pytest.mark.slow  # tests/faults/test_broken_executors.py breaks one too
def test_a_gpu_that_fails_costs_a_worker_and_no_row():
    result = run("failing_gpu")
    assert result["before"] == {"rows": 8, "loads": {"cuda:4": 1}}
    assert result["after"] == {"rows": 8, "loads": {"cuda:4": 1}}
    assert [line.split(".", 2)[0].split(" ")[0] for line in result["log"]] == [
        "Computing",
        "Loaded",
        "spark_entities",
        "Computing",
        "Loaded",
    ]
