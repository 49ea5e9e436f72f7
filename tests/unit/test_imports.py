"""The import rules of ARCHITECTURE.md: which room may know which, what a driver must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import spark_entities

ROOT = Path(__file__).parents[2]
PATHS = [*ROOT.glob("jobs/**/*.py"), *ROOT.glob("udfs/**/*.py")]
SOURCES = {str(path.relative_to(ROOT)): path for path in PATHS}
FLOORS = [  # imports go down
    "jobs/benchmark",  # runs the programs
    "programs",
    "jobs/training",
    "jobs/scoring",
    "jobs/report",
    "jobs/enrichment",
    "jobs/output",
    "jobs/tables",
    "jobs/spark",
    "jobs/config",
    "udfs",
    "udfs/core",
    "leaves",
]
LEAVES = {"udfs/options.py", "udfs/errors.py"}  # what udfs/core imports of udfs
TORCH = {
    *(f"udfs/{name}.py" for name in ("activation", "attention", "failures", "forward", "manners")),
    *("udfs/model.py", "udfs/precision.py", "jobs/training", "jobs/benchmark"),
}
TORCH_IN_FUNCTIONS = {"udfs/device.py", "udfs/task.py"}  # once a model is wanted
PYSPARK_IN_UDFS = {"udfs/entities_udf.py", "udfs/sql.py", "udfs/task.py"}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def floor(name: str) -> int:
    """The floor of a file, by its path in the repository."""
    if name in LEAVES:
        return FLOORS.index("leaves")
    room = name.rpartition("/")[0]
    return FLOORS.index("programs" if room == "jobs" else room)


def sources_of(module: str) -> str | None:
    """The file of ours that a module, or a name in one, comes from."""
    parts = module.split(".")[1:] if module.startswith("spark_entities.") else []
    while parts:
        for name in (f"{'/'.join(parts)}.py", f"{'/'.join(parts)}/__init__.py"):
            if name in SOURCES:
                return name
        parts.pop()
    return None


def upward(name: str) -> set[str]:
    """What a file imports from a floor above its own."""
    found = {sources_of(module) for module in imported(SOURCES[name])} - {None}
    return {other for other in found if floor(other) < floor(name)}


@pytest.mark.parametrize("name", SOURCES)
def test_imports_go_down(name):
    assert upward(name) == set()


@pytest.mark.parametrize("name", SOURCES)
def test_torch_is_imported_where_models_are_and_spark_where_it_runs(name):
    room, names = (
        name.rpartition("/")[0],
        {module.partition(".")[0] for module in imported(SOURCES[name])},
    )
    if not {name, room} & (TORCH | TORCH_IN_FUNCTIONS):
        assert not names & {"torch", "transformers"}
    if name.startswith("udfs/") and name not in PYSPARK_IN_UDFS:
        assert "pyspark" not in names


def run_python(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout


def test_a_driver_that_only_plans_loads_no_torch():
    printed = run_python(
        "import sys; from spark_entities import EnrichConfig, enrich, make_entities_udf;"
        "from spark_entities.jobs.enrichment.set_up import check_model;"
        "check_model(EnrichConfig());"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    assert printed == "set()\n"


def test_the_engine_works_and_is_measured_where_pyspark_is_not_installed():
    printed = run_python(
        "import sys; sys.modules['pyspark'] = None; from spark_entities.udfs import task, worker;"
        "import spark_entities.jobs.benchmark.__main__;"
        "from spark_entities import TokenClassifier;"
        "rows = TokenClassifier.load(device='cpu').classify(['Emma woont in Londen.']);"
        "print([each['word'] for each in rows[0].as_py()['entities']], task.task_device().name)"
    )
    assert printed == "['Emma', 'Londen'] cpu\n"


def test_results_are_shown_where_neither_pyspark_nor_ipython_is_installed():
    printed = run_python(
        "import sys; sys.modules |= {'pyspark': None, 'IPython': None};"
        "from spark_entities import display; display([{'entities': []}], ['Emma'])"
    )
    assert printed.endswith(">Emma</p>\n")


def test_scoring_works_where_pyspark_is_not_installed():
    printed = run_python(
        "import sys; sys.modules['pyspark'] = None; import spark_entities.jobs.scoring.gold;"
        "from spark_entities.jobs.scoring.scores import score;"
        "print(score([['B-PER']], [['B-PER']]).micro.f1); print('torch' in sys.modules)"
    )
    assert printed == "1.0\nFalse\n"


def test_the_public_names_are_these():
    assert sorted(spark_entities.__all__) == [
        "ClassifyOptions",
        "ConfigError",
        "DeviceError",
        "EnrichConfig",
        "EnrichmentError",
        "InferenceError",
        "ModelLoadError",
        "ModelOptions",
        "PublishError",
        "RedactOptions",
        "TokenClassifier",
        "display",
        "enrich",
        "keep_workers",
        "log_model",
        "make_entities_udf",
        "read_config",
        "register",
    ]
    assert all(getattr(spark_entities, name) is not None for name in spark_entities.__all__)


def test_a_checkout_gives_the_public_names_of_udfs_too_and_one_cache():
    printed = run_python(
        "import sys; from udfs import make_entities_udf; print(make_entities_udf.__module__,"
        "*(name for name in sys.modules if name.endswith('udfs.worker')))"
    )
    assert printed == "spark_entities.udfs.entities_udf spark_entities.udfs.worker\n"
