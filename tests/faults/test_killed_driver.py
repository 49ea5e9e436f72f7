"""A killed driver: the old output stands until the new one is whole, and the next run mends."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from jobs.enrich import main
from tests.faults.killed_driver import POINTS

ROOT = Path(__file__).parents[2]
REPLACED = {"after publish"}  # the new output is in place
AWAY = {"between the renames"}  # the old output waits under another name


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def flags(folder: Path, run: str) -> list[str]:
    source = ["--input.path", str(folder / "in"), "--input.format", "json"]
    spread = ["--input.min_partitions", "6"]
    output = ["--output.path", str(folder / "out"), "--output.mode", "overwrite"]
    return [*source, *spread, *output, "--run.id", run]


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_driver_loses_nothing_and_doubles_nothing(spark, tmp_path, point):
    (tmp_path / "in").mkdir()
    lines = [json.dumps({"id": row, "text": f"Emma {row} in Londen"}) for row in range(30)]
    (tmp_path / "in" / "part.json").write_text("\n".join(lines))
    assert main(flags(tmp_path, "run-old")) == 0
    old = contents(tmp_path / "out")

    killed = subprocess.run(
        [sys.executable, "-m", "tests.faults.killed_driver", point, *flags(tmp_path, "run-new")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    if point in AWAY:
        [away] = tmp_path.glob(".out.replaced-*")
        assert contents(away) == old
    elif point in REPLACED:
        assert {name.split("/")[0] for name in contents(tmp_path / "out")} == {"entity_run=run-new"}
    else:
        assert contents(tmp_path / "out") == old

    assert main(flags(tmp_path, "run-again")) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    assert Counter(row["id"] for row in rows) == Counter(range(30))
    assert {row["entity_run"] for row in rows} == {"run-again"}
    assert all(row["entities_loc"] == ["Londen"] for row in rows)
