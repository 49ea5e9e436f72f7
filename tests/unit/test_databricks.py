"""What Databricks will be given, checked as far as it can be without Databricks."""

import re
from pathlib import Path

import pytest
import yaml
from databricks.bundles.jobs import Job

from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.enrichment.set_up import check_model
from spark_entities.jobs.spark.preflight import check_settings

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "conf" / "databricks.yml"
NOTEBOOK = ROOT / "notebooks" / "databricks_enrich.py"


@pytest.fixture(scope="module")
def bundle():
    return yaml.safe_load(BUNDLE.read_text("utf-8"))


@pytest.fixture(scope="module")
def job(bundle):
    (job,) = bundle["resources"]["jobs"].values()
    return Job.from_dict(job)  # refuses keys and values that Databricks does not know


def test_the_bundle_has_the_mappings_of_a_bundle(bundle):
    assert [*bundle] == ["bundle", "variables", "sync", "artifacts", "resources", "targets"]
    assert [name for name, target in bundle["targets"].items() if target.get("default")] == ["dev"]


def test_every_variable_that_is_used_is_there(bundle):
    used = set(re.findall(r"\$\{var\.(\w+)\}", BUNDLE.read_text("utf-8")))
    assert used == set(bundle["variables"])
    assert all(variable["default"] for variable in bundle["variables"].values())


def test_the_bundle_names_files_that_are_there(bundle, job):
    (task,) = job.tasks
    assert (BUNDLE.parent / task.notebook_task.notebook_path).resolve() == NOTEBOOK
    synced = [(BUNDLE.parent / path).resolve() for path in bundle["sync"]["paths"]]
    assert NOTEBOOK.parent in synced
    source = BUNDLE.parent / bundle["artifacts"]["wheel"]["path"]
    assert (source / "setup.py").is_file()
    assert task.libraries[0].whl == "../dist/*.whl"


def test_the_cluster_of_the_bundle_passes_our_own_check(bundle, job):
    (cluster,) = job.job_clusters
    assert job.tasks[0].job_cluster_key == cluster.job_cluster_key
    cores = bundle["variables"]["cores"]["default"]
    given = {**cluster.new_cluster.spark_conf, "spark.task.cpus": cores}
    node = {"spark.executor.resource.gpu.amount": "1", "spark.executor.cores": cores}
    platform = {"spark.app.id": "app"}  # started by Databricks, which finds the GPUs
    checkpoint = check_model(EnrichConfig())
    assert check_settings({**given, **node, **platform}, checkpoint) == []


def test_the_parameters_of_the_job_are_the_widgets_of_the_notebook(job):
    source = NOTEBOOK.read_text("utf-8")
    widgets = dict(re.findall(r'dbutils\.widgets\.\w+\("(\w+)", "([^"]*)"', source))
    parameters = {each.name: each.default for each in job.parameters}
    assert parameters == widgets | {"run": "job-{{job.run_id}}"}  # Databricks puts a number there
    (read,) = re.findall(r'^widgets = "(.*)"$', source, re.MULTILINE)
    assert read.split() == [*widgets]


def test_the_notebook_is_in_the_source_format_of_databricks():
    first, *rest = NOTEBOOK.read_text("utf-8").splitlines()
    assert first == "# Databricks notebook source"
    cells = "\n".join(rest).split("\n\n# COMMAND ----------\n\n")
    assert len(cells) > 5
    for cell in cells:
        magic = [line.startswith("# MAGIC") for line in cell.strip().splitlines()]
        assert all(magic) or not any(magic), cell
        if magic[0]:
            assert cell.startswith("# MAGIC %md\n")
        else:
            compile(cell, NOTEBOOK.name, "exec")
