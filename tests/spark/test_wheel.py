"""What is installed: one package, which works where others are called `jobs` and `udfs` too."""

import json
import shutil
import sys
import zipfile

import pyarrow.parquet as pq
import pytest

from tests.support.processes import ROOT
from tests.support.wheel import SPARK_HOME, build_wheel, make_environment, run

FOREIGN = ("jobs", "udfs")
ENRICHED = """
import json

import jobs
import udfs
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import spark_entities
from spark_entities import EnrichConfig, enrich


def tell(batches):
    import jobs
    import spark_entities
    for batch in batches:
        yield batch.assign(jobs=jobs.__file__, ours=spark_entities.__file__)[["jobs", "ours"]]


spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
texts = spark.createDataFrame([("Emma woont in Londen.",), (None,)], "text string")
rows = enrich(texts, EnrichConfig()).select(F.inline("entities")).collect()
(worker,) = spark.range(1).mapInPandas(tell, "jobs string, ours string").collect()
found = [row["word"] for row in rows]
print(json.dumps([found, [jobs.__file__, spark_entities.__file__], [*worker], udfs.__file__]))
"""
TYPED = """
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_entities import EnrichConfig, TokenClassifier, enrich, make_entities_udf, read_config


def found(documents: DataFrame, arguments: list[str]) -> DataFrame:
    column: Column = make_entities_udf()(F.col("text"))
    config: EnrichConfig = read_config(arguments)
    return enrich(documents.withColumn("found", column), config)


classifier: TokenClassifier = TokenClassifier.load(device="cpu")
"""


REFUSED = """
import sys
from spark_entities.jobs.enrich import main
sys.stderr = sys.stdout
print(main(["--input.path", "in", "--output.path", "out"]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The Python of an environment that has the wheel."""
    return make_environment(tmp_path_factory.mktemp("installed") / "environment", wheel)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The Python of an environment that has all but the wheel."""
    return make_environment(tmp_path_factory.mktemp("bare") / "environment")


@pytest.fixture
def here(tmp_path):
    """A working folder with packages of others that are called `jobs` and `udfs`, and texts."""
    folder = tmp_path / "here"
    for name in FOREIGN:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").touch()
    (folder / "texts.jsonl").write_text('{"text": "Emma woont in Londen."}\n')
    return folder


def test_the_wheel_puts_one_name_among_those_of_others(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
    dist_info = metadata.partition("/")[0]
    assert {name.partition("/")[0] for name in names} == {"spark_entities", dist_info}


def test_the_wheel_has_every_file_of_the_sources_and_no_link(wheel):
    folders = {path for name in FOREIGN for path in (ROOT / name).rglob("*")}
    sources = {path for path in folders if path.is_file() and "__pycache__" not in path.parts}
    wanted = {f"spark_entities/{path.relative_to(ROOT)}": path.stat().st_size for path in sources}
    with zipfile.ZipFile(wheel) as archive:
        entries = archive.infolist()
    found = {entry.filename: entry.file_size for entry in entries}
    assert found.items() >= wanted.items()
    assert {"spark_entities/jobs/report/page.html", "spark_entities/py.typed"} <= found.keys()
    assert found["spark_entities/udfs/bundled/model.safetensors"] > 2**20
    assert not any(entry.external_attr >> 28 == 0o12 for entry in entries)


def test_it_enriches_from_python_where_others_are_called_jobs_and_udfs(installed, here):
    (here / "mine.py").write_text(ENRICHED)
    found, driver, worker, udfs = json.loads(run(installed, installed, "mine.py", cwd=here))
    assert found == ["Emma", "Londen"]
    for jobs, ours in (driver, worker):
        assert jobs == f"{here}/jobs/__init__.py"
        assert ours.startswith(f"{installed.parents[1]}/")
    assert udfs == f"{here}/udfs/__init__.py"


@pytest.mark.slow
def test_it_enriches_by_its_command_where_others_are_called_jobs_and_udfs(installed, here):
    command = installed.with_name("spark-entities")
    run(installed, command, "enrich", *settings(here), cwd=here, path=here)
    assert words(here) == ["Emma", "Londen"]


@pytest.mark.slow
def test_py_files_take_the_zip_where_it_is_not_installed(wheel, bare, here):
    shutil.copy(wheel, here / "spark-entities.zip")  # as `make dist` does
    shutil.copy(ROOT / "jobs" / "enrich.py", here / "submitted.py")
    shutil.copytree(ROOT / "udfs" / "bundled", here / "model")
    submit = [SPARK_HOME / "bin" / "spark-submit", "--py-files", "spark-entities.zip"]
    run(bare, *submit, "submitted.py", *settings(here), "--model.name", "model", cwd=here)
    assert words(here) == ["Emma", "Londen"]


def test_the_bundled_model_is_refused_in_a_zip(wheel, bare, here):
    said = run(bare, bare, "-c", REFUSED, cwd=here, path=wheel)
    assert said.startswith("refused: model.name='bundled' cannot be read out of a zip. Install ")
    assert said.endswith("\n2\n")


@pytest.mark.slow
def test_spark_submit_runs_a_checkout_that_is_not_installed(bare, here):
    submit = SPARK_HOME / "bin" / "spark-submit"
    run(bare, submit, "jobs/enrich.py", *settings(here), cwd=ROOT)
    assert words(here) == ["Emma", "Londen"]


@pytest.mark.slow
def test_its_types_are_seen_by_those_who_import_it(installed, here):
    (here / "mine.py").write_text(TYPED)
    check = [sys.executable, "-m", "mypy", "--strict", "--python-executable", installed, "mine.py"]
    assert run(installed, *check, cwd=here).startswith("Success: ")


def settings(folder):
    """Return what `enrich` is given to find the entities of the texts in a folder."""
    texts = ["--input.path", str(folder / "texts.jsonl"), "--input.format", "json"]
    return [*texts, "--output.path", str(folder / "out"), "--spark.master", "local[1]"]


def words(folder):
    """Return the entities that a run found in the one text there is."""
    (row,) = pq.read_table(folder / "out").to_pylist()
    return [entity["word"] for entity in row["entities"]]
