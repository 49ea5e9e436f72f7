"""The import rule of ARCHITECTURE.md: who may know whom, and what a driver must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {path.stem: path for path in sorted((ROOT / "udfs").glob("*.py"))}
TORCH_ALLOWED = {
    "udfs/model.py",
    "udfs/forward.py",
    "udfs/device.py",  # to count GPUs, once a model is wanted
    "udfs/worker.py",  # inside the function that limits torch's threads, once a model is wanted
    "jobs/training/distributed.py",  # inside the function that runs in each process
    "jobs/training/loop.py",
    "jobs/training/network.py",
    "jobs/training/run.py",
    "jobs/training/state.py",
    "jobs/training/steps.py",
    "jobs/bundled_model.py",
    "jobs/benchmark/engine.py",
    "jobs/benchmark/pipelines.py",
    "jobs/benchmark/rivals.py",
    "jobs/benchmark/spark.py",
    "jobs/benchmark/workload.py",
    "jobs/benchmark/__main__.py",
}
PYSPARK_ALLOWED = {"schema", "entities_udf", "worker"}
LAYERS = [
    {"entities_udf"},
    {"schema", "worker"},
    {"classifier"},
    {"forward"},
    {"model"},
    {
        "device",
        "aggregation",
        "results",
        "windows",
        "batching",
        "words",
        "checkpoint",
        "tokenization",
    },
    {"labels", "records"},
    {"options", "text"},
    {"errors", "arrays", "memory", "digests"},
]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", [*ROOT.glob("udfs/*.py"), *ROOT.glob("jobs/**/*.py")], ids=str)
def test_torch_and_transformers_are_imported_where_models_are_alone(path):
    if str(path.relative_to(ROOT)) not in TORCH_ALLOWED:
        assert not packages(path) & {"torch", "transformers"}


@pytest.mark.parametrize("name", MODULES)
def test_the_engine_knows_neither_spark_nor_jobs(name):
    assert "jobs" not in packages(MODULES[name])
    if name not in PYSPARK_ALLOWED:
        assert "pyspark" not in packages(MODULES[name])


def test_imports_go_down_the_layers_only():
    depth = {name: index for index, layer in enumerate(LAYERS) for name in layer}
    assert depth.keys() == MODULES.keys() - {"__init__"}
    for name, path in MODULES.items():
        below = {n.removeprefix("udfs.") for n in imported(path) if n.startswith("udfs.")}
        if name != "__init__":
            assert all(depth[other] > depth[name] for other in below), name


def run_python(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout


def test_a_driver_that_only_plans_loads_no_torch():
    printed = run_python(
        "import sys, jobs.enrich, udfs.entities_udf; from jobs.config import EnrichConfig;"
        "from jobs.enrich import check_model; check_model(EnrichConfig());"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    assert printed == "set()\n"


def test_the_engine_works_where_pyspark_is_not_installed():
    printed = run_python(
        "import sys; sys.modules['pyspark'] = None; import udfs;"
        "from udfs import ClassifyOptions, TokenClassifier, worker;"
        "rows = TokenClassifier.load(device='cpu').classify(['Emma woont in Londen.']);"
        "print([each['word'] for each in rows[0].as_py()['entities']], worker.task_device().name)"
    )
    assert printed == "['Emma', 'Londen'] cpu\n"


def test_scoring_works_where_pyspark_is_not_installed():
    printed = run_python(
        "import sys; sys.modules['pyspark'] = None; import jobs.gold;"
        "from jobs.scoring import score; print(score([['B-PER']], [['B-PER']]).micro.f1);"
        "print('torch' in sys.modules)"
    )
    assert printed == "1.0\nFalse\n"


def test_the_public_names_are_these():
    import udfs

    assert sorted(udfs.__all__) == [
        "ClassifyOptions",
        "ConfigError",
        "DeviceError",
        "EnrichmentError",
        "InferenceError",
        "ModelLoadError",
        "ModelOptions",
        "PublishError",
        "TokenClassifier",
        "make_entities_udf",
    ]
    assert all(getattr(udfs, name) is not None for name in udfs.__all__)
