import re
from pathlib import Path

import pytest

from spark_entities.jobs.config import EnrichConfig, read_config
from spark_entities.jobs.spark.preflight import check_settings, own_properties
from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ModelOptions

ROOT = Path(__file__).parents[3]
GPUS = "spark.executor.resource.gpu.amount"
TASK_GPUS = "spark.task.resource.gpu.amount"
GPU = {"spark.master": "spark://host:7077", GPUS: "1", TASK_GPUS: "1"}

# By name: a configuration, and what is said of it. docs/gpu.md has the same names.
ERRORS = {
    "tasks-share-gpu": (GPU | {TASK_GPUS: "0.25"}, f"{TASK_GPUS}=0.25: 4 tasks share a GPU"),
    "several-gpus-per-executor": (GPU | {GPUS: "4"}, f"{GPUS}=4: Spark hands a worker one GPU"),
    "no-worker-reuse": ({"spark.python.worker.reuse": "false"}, "each task starts a worker"),
    "no-python-daemon": ({"spark.python.use.daemon": "false"}, "Spark keeps no worker"),
    "idle-timeout-kills": (
        {
            "spark.python.worker.idleTimeoutSeconds": "60",
            "spark.python.worker.killOnIdleTimeout": "true",
        },
        "spark.python.worker.idleTimeoutSeconds=60 with",
    ),
    "gpu-not-assigned": (GPU | {TASK_GPUS: "0"}, "no task is told which GPU is its own"),
    "gpu-without-executor": (GPU | {GPUS: "0"}, f"{TASK_GPUS}=1 without {GPUS}"),
    "no-discovery-script": (GPU | {"spark.master": "yarn"}, "executors do not find their GPUs"),
    "no-gpu-vendor": (GPU | {"spark.master": "k8s://host"}, "Set it to nvidia.com"),
    "address-space-limit": (
        GPU | {"spark.executor.pyspark.memory": "8g"},
        "spark.executor.pyspark.memory limits a worker's address space",
    ),
}
CORES = {"spark.executor.cores": "8"}
WARNINGS = {
    "gpus-in-local-mode": (GPU | {"spark.master": "local[4]"}, "spark.master=local[4]"),
    "task-takes-several-gpus": (GPU | {TASK_GPUS: "2"}, "the others idle. Set it to 1"),
    "idle-cores": (GPU | CORES, "Set spark.task.cpus to 8."),
    "idle-gpus": (
        {GPUS: "4", TASK_GPUS: "1", "spark.task.cpus": "8"} | CORES,
        "cores admit 1 task(s) at once, and the other GPUs idle. Set spark.task.cpus to 2.",
    ),
    "little-python-memory": (
        {"spark.executor.pyspark.memory": "900m"},
        "is 900 MiB; 1 Python worker(s) with the model need about 1109 MiB",
    ),
    "little-memory-overhead": (
        CORES | {"spark.master": "yarn", "spark.executor.memory": "8g"},
        "spark.executor.memoryOverhead is 819 MiB; 8 Python worker(s) with the model need about "
        "8877 MiB",
    ),
    "large-arrow-batches": (
        {"spark.sql.execution.arrow.maxBytesPerBatch": "2147483647"},
        "maxBytesPerBatch=2147483647: a worker holds several",
    ),
}


@pytest.fixture(scope="module")
def bundled():
    return find_checkpoint(ModelOptions(precision="float32"))


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_setting_and_cure(bundled, name):
    properties, message = ERRORS[name]
    with pytest.raises(ConfigError) as refused:
        check_settings(properties, bundled)
    [line] = [line for line in str(refused.value).splitlines() if line.endswith(f" [{name}]")]
    assert message in line
    assert "Set " in line or "Remove it" in line


@pytest.mark.parametrize("name", WARNINGS)
def test_warnings_name_setting_and_cure(bundled, name):
    properties, message = WARNINGS[name]
    allowed = ["several-gpus-per-executor"]
    [found] = [each for each in check_settings(properties, bundled, allowed) if each.name == name]
    assert message in found.message


@pytest.mark.parametrize(
    "properties",
    [
        {},
        GPU,
        GPU | CORES | {"spark.task.cpus": "8"},
        {"spark.master": "local[2]", "spark.task.cpus": "2"},
        {"spark.master": "yarn", "spark.executor.memoryOverhead": "2g"},
        {"spark.master": "k8s://host", "spark.executor.memory": "4g"},
        {"spark.executor.pyspark.memory": "2g"},
        {"spark.python.worker.idleTimeoutSeconds": "60"},
        {TASK_GPUS: "1", "spark.app.id": "app-1"},
    ],
    ids=str,
)
def test_nothing_is_found_where_all_is_well(bundled, properties):
    assert check_settings(properties, bundled) == []


def test_the_shipped_settings_have_no_fault(bundled):
    lines = (ROOT / "conf" / "spark-gpu.conf").read_text("utf-8").splitlines()
    properties = dict(line.split() for line in lines if line and not line.startswith("#"))
    for master in ("yarn", "spark://host:7077"):
        assert check_settings(properties | {"spark.master": master}, bundled) == []


def test_the_documentation_names_every_finding():
    text = (ROOT / "docs" / "gpu.md").read_text("utf-8")
    source = (ROOT / "jobs" / "spark" / "preflight.py").read_text("utf-8")
    source += (ROOT / "jobs" / "check.py").read_text("utf-8")
    names = {*re.findall(r'name="([a-z-]+)"', source), *re.findall(r"\[([a-z-]+)\]\"", source)}
    assert names == {*ERRORS, *WARNINGS, "unusable-device", "model-exceeds-device"} | {
        "few-partitions",
        "executors-cannot-run",
    }
    assert all(f"`{name}`" in text for name in names)


def test_all_errors_are_told_at_once(bundled):
    properties = GPU | {TASK_GPUS: "0.5", "spark.python.worker.reuse": "false"}
    with pytest.raises(ConfigError) as refused:
        check_settings(properties, bundled)
    assert len(str(refused.value).splitlines()) == 2


def test_what_is_meant_to_be_is_allowed_by_name(bundled):
    assert check_settings(GPU | {TASK_GPUS: "0.5"}, bundled, ["tasks-share-gpu"]) == []
    with pytest.raises(ConfigError, match="no-worker-reuse"):
        check_settings({"spark.python.worker.reuse": "false"}, bundled, ["tasks-share-gpu"])


def test_weights_of_half_the_size_need_half_the_memory():
    warning = {
        precision: check_settings(
            {"spark.executor.pyspark.memory": "1090m"},
            find_checkpoint(ModelOptions(precision=precision)),
        )
        for precision in ("float32", "bfloat16")
    }
    assert [len(warning["float32"]), len(warning["bfloat16"])] == [1, 0]


def test_the_configuration_says_what_its_own_session_would_have():
    config = read_config(["--spark.master", "local[3]", "--spark.config", '{"spark.a": "b"}'])
    assert own_properties(config.spark) == {"spark.master": "local[3]", "spark.a": "b"}
    assert own_properties(EnrichConfig().spark) == {}


def test_an_unknown_name_is_not_allowed():
    with pytest.raises(ConfigError, match=r"spark\.allow"):
        read_config(["--spark.allow", '["everything"]'])
