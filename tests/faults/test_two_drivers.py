"""Two runs on one output at once: the second is refused, and the first is published whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spark_entities.jobs.enrich import main
from tests.faults.test_killed_driver import contents, flags, ids, write_documents

ROOT = Path(__file__).parents[2]


def start_paused(arguments: list[str]) -> subprocess.Popen[str]:
    """Start a driver that pauses before its audit."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.paused_driver", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.fault("two concurrent drivers", "the second starts when the first is at its audit")
def test_of_two_drivers_the_second_is_refused_and_the_first_publishes(spark, tmp_path, capsys):
    write_documents(tmp_path / "in" / "part.json", range(4))
    assert main(flags(tmp_path, "run-old")) == 0
    old = contents(tmp_path / "out")
    with start_paused(flags(tmp_path, "run-first")) as first:
        assert "paused\n" in first.stdout  # reads up to it
        assert json.loads((tmp_path / ".out.lock").read_text())["run"] == "run-first"
        assert main(flags(tmp_path, "run-second")) == 2
        assert "another run is writing to the same output" in capsys.readouterr().err
        assert contents(tmp_path / "out") == old
        first.communicate("\n")
    assert first.returncode == 0
    assert {name.split("/")[0] for name in contents(tmp_path / "out")} == {"entity_run=run-first"}
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    assert sorted(row["id"] for row in rows) == ids(range(4))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.slow
@pytest.mark.fault("two live incremental runs", "the second starts when the first is at a batch")
def test_of_two_incremental_runs_each_document_is_published_once(spark, tmp_path, capsys):
    for part in range(2):
        write_documents(tmp_path / "in" / f"{part}.json", range(2 * part, 2 * part + 2))
    arguments = ["--input.path", str(tmp_path / "in"), "--input.format", "json"]
    arguments += ["--output.path", str(tmp_path / "out"), "--output.mode", "append"]
    arguments += ["--run.mode", "incremental", "--input.max_files_per_batch", "1"]
    with start_paused(arguments) as first:
        assert "paused\n" in first.stdout
        write_documents(tmp_path / "in" / "late.json", range(4, 6))
        assert main(arguments) == 2
        assert "another run is writing to the same output" in capsys.readouterr().err
        first.communicate("\n" * 2)
    assert first.returncode == 0
    assert main(arguments) == 0
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    assert sorted(row["id"] for row in rows) == ids(range(6))
