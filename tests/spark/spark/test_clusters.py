"""The job on a cluster whose hosts have no source tree: what docs/clusters.md says."""

import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from tests.support.standalone import standalone
from tests.support.wheel import SPARK_HOME, build_wheel, make_environment

SUBMITTED = """
import json, os, sys
from spark_entities.jobs.enrich import main
status = main(sys.argv[1:])

from pyspark.sql import SparkSession
spark = SparkSession.active()

def tell(batches):
    from spark_entities import udfs
    for batch in batches:
        told = batch.assign(udfs=udfs.__file__, cwd=os.getcwd(), prefix=sys.prefix)
        yield told[["udfs", "cwd", "prefix"]]

rows = spark.range(0, 8, 1, 8).mapInPandas(tell, "udfs string, cwd string, prefix string")
print(json.dumps({"status": status, "told": [list(row) for row in rows.distinct().collect()]}))
"""


def pack(folder: Path, archive: Path) -> None:
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(folder, ".")


@pytest.mark.slow
def test_executors_take_code_and_model_from_archives(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)  # workers would find a source tree by it
    wheel = build_wheel(tmp_path / "dist")
    environment = make_environment(tmp_path / "environment", wheel).parents[1]
    shutil.copytree(ROOT / "udfs" / "bundled", tmp_path / "here" / "model")
    pack(environment, tmp_path / "environment.tar.gz")
    pack(tmp_path / "here" / "model", tmp_path / "model.tar.gz")
    (tmp_path / "here" / "submitted.py").write_text(SUBMITTED)
    lines = (ROOT / "conf" / "demo-documents.jsonl").read_text("utf-8").splitlines()
    for number in range(2):
        (tmp_path / f"in-{number}.json").write_text("\n".join(lines[number::2]))
    with standalone(tmp_path, workers=2, cores=1) as master:
        result = submit(master, tmp_path, environment)
    assert result["status"] == 0
    executors = {cwd for _, cwd, _ in result["told"]}
    assert len(executors) == 2
    for udfs, cwd, prefix in result["told"]:
        assert Path(cwd).is_relative_to(tmp_path)
        assert prefix == f"{cwd}/environment"
        assert Path(udfs).is_relative_to(prefix)
    logs = "".join(path.read_text("utf-8") for path in tmp_path.glob("worker-*/app-*/*/stderr"))
    loaded = {*re.findall(r"Loaded (\S+) on cpu", logs)}
    assert loaded
    assert loaded <= {f"{executor}/model" for executor in executors}


def submit(master: str, folder: Path, environment: Path) -> dict[str, object]:
    """Submit the job from a folder without a source tree; returns what it prints last."""
    archives = [f"{folder}/environment.tar.gz#environment", f"{folder}/model.tar.gz#model"]
    settings = {
        "spark.archives": ",".join(archives),
        "spark.pyspark.python": "./environment/bin/python",
        "spark.pyspark.driver.python": str(environment / "bin" / "python"),
        "spark.executor.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.sql.files.maxPartitionBytes": "30k",
    }
    configured = [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
    done = subprocess.run(
        [
            *[SPARK_HOME / "bin" / "spark-submit", "--master", master, *configured, "submitted.py"],
            *["--input.path", str(folder / "in-*.json"), "--input.format", "json"],
            *["--model.name", "./model", "--output.path", str(folder / "out")],
        ],
        cwd=folder / "here",
        env={**os.environ, "SPARK_HOME": str(SPARK_HOME), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
