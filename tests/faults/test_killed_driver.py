"""A killed driver: the old output stands until the new one is whole, and the next run mends."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_entities.jobs.config import read_config
from spark_entities.jobs.enrich import main, run
from tests.faults.killed_driver import BATCH_POINTS, POINTS
from tests.faults.sentinels import (
    IDENTIFIER,
    SECRET,
    SECRET_VARIABLE,
    SECRETS,
    event_log,
    find_leaks,
    text_of,
)

ROOT = Path(__file__).parents[2]
REPLACED = {"after publish"}  # the new output is in place
QUICK = {"between the renames"}
AWAY = {"between the renames"}  # the old output waits under another name


def mark_slow(points: Iterable[str]) -> list[object]:
    """Mark all points but the most telling ones, since each takes two sessions of Spark."""
    return [
        point if point in QUICK else pytest.param(point, marks=pytest.mark.slow) for point in points
    ]


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write_documents(path: Path, rows: range) -> None:
    documents = [{"id": f"{IDENTIFIER}-{row:02}", "text": text_of(row)} for row in rows]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(map(json.dumps, documents)))


def ids(rows: Iterable[int]) -> list[str]:
    return [f"{IDENTIFIER}-{row:02}" for row in rows]


def found(spark: SparkSession, folder: Path) -> list[tuple[str, list[str]]]:
    rows = spark.read.parquet(str(folder / "out")).orderBy("id").collect()
    return [(row["id"], row["entities_loc"]) for row in rows]


def flags(folder: Path, run: str) -> list[str]:
    source = ["--input.path", str(folder / "in"), "--input.format", "json"]
    spread = ["--input.min_partitions", "6"]
    output = ["--output.path", str(folder / "out"), "--output.mode", "overwrite"]
    return [*source, *spread, *output, "--run.id", run]


def kill_driver(point: str, folder: Path, arguments: list[str]) -> None:
    """Kill a driver at a point, and look for sentinels in all that it leaves behind."""
    logged = SECRETS | event_log(folder / "events")
    killed = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults.killed_driver", point, *arguments),
            *("--spark.config", json.dumps(logged)),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), SECRET_VARIABLE: SECRET},
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    [log] = (folder / "events").iterdir()
    assert "SparkListenerApplicationStart" in log.read_text("utf-8")
    assert find_leaks(left_in(folder), killed.stdout + killed.stderr) == []
    log.unlink()
    log.parent.rmdir()


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != "in"]


@pytest.mark.fault("the driver is gone", "SIGKILL of it and its JVM at the point")
@pytest.mark.parametrize("point", mark_slow(POINTS))
def test_a_killed_driver_loses_nothing_and_doubles_nothing(spark, tmp_path, point, capfd):
    write_documents(tmp_path / "in" / "part.json", range(30))
    assert main(flags(tmp_path, "run-old")) == 0
    old, expected = contents(tmp_path / "out"), found(spark, tmp_path)

    kill_driver(point, tmp_path, flags(tmp_path, "run-new"))
    if point in AWAY:
        [away] = tmp_path.glob(".out.replaced-*")
        assert contents(away) == old
    elif point in REPLACED:
        assert {name.split("/")[0] for name in contents(tmp_path / "out")} == {"entity_run=run-new"}
    else:
        assert contents(tmp_path / "out") == old

    assert main(flags(tmp_path, "run-again")) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert {name.split("/")[0] for name in contents(tmp_path / "out")} == {"entity_run=run-again"}
    assert found(spark, tmp_path) == expected
    assert [row[0] for row in expected] == ids(range(30))
    assert sum("Londen" in row[1] for row in expected) > 20
    said = capfd.readouterr()
    assert find_leaks(left_in(tmp_path), said.out + said.err) == []


@pytest.mark.fault("the driver is gone", "SIGKILL of it and its JVM at the point")
@pytest.mark.parametrize("point", mark_slow(BATCH_POINTS))
def test_a_killed_incremental_run_goes_on_where_it_stopped(spark, tmp_path, point):
    for part in range(3):
        write_documents(tmp_path / "in" / f"{part}.json", range(4 * part, 4 * part + 4))
    source = ["--input.path", str(tmp_path / "in"), "--input.format", "json"]
    batches = ["--run.mode", "incremental", "--input.max_files_per_batch", "1"]
    output = ["--output.path", str(tmp_path / "out"), "--output.mode", "append"]
    arguments = [*source, *batches, *output]
    kill_driver(point, tmp_path, arguments)
    published = contents(tmp_path / "out")
    assert {name.split("/")[0][-6:] for name in published} == {"000000"}

    summary = run(spark, read_config(arguments))
    assert summary.documents == 8
    assert summary.num_windows == 8  # the model did not see the first batch again
    now = contents(tmp_path / "out")
    assert published.items() <= now.items()
    assert {name.split("/")[0][-6:] for name in now} == {"000000", "000001", "000002"}
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    assert Counter(row["id"] for row in rows) == Counter(ids(range(12)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.incremental", "in", "out"]
    assert find_leaks(left_in(tmp_path)) == []
