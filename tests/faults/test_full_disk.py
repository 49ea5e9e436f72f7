"""A disk that is full: the run fails, the old output stands, and nothing is left beside."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_entities.jobs.enrich import main
from tests.faults.sentinels import find_leaks, text_of
from tests.faults.test_killed_driver import contents

COMMAND = Path(sys.executable).with_name("spark-entities")
LARGEST_FILE = 8 << 20  # bytes; stands for what is left of a disk


def fill_disk() -> None:
    """Let no file of this process grow further: a write past that fails, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


@pytest.mark.fault("a full disk", "RLIMIT_FSIZE: no file grows past 8 MiB")
def test_a_full_disk_fails_the_run_and_leaves_the_old_output(spark, tmp_path, capsys):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    random = np.random.default_rng(0)
    payload = [random.bytes(1 << 20) for _ in range(12)]  # does not shrink when compressed
    table = pa.table({"text": [text_of(0)] * len(payload), "payload": payload})
    pq.write_table(table.slice(0, 1), source / "part.parquet")
    flags = ["--input.path", str(source), "--output.path", str(output)]
    assert main(flags) == 0
    old = contents(output)

    pq.write_table(table, source / "part.parquet")
    done = subprocess.run(
        [COMMAND, "enrich", *flags, "--output.mode", "overwrite", "--spark.master", "local[1]"],
        preexec_fn=fill_disk,  # no threads are running here
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr[-3000:]
    assert "its result was not published" in done.stderr
    assert contents(output) == old
    assert find_leaks([output], done.stdout + done.stderr) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]

    assert main([*flags, "--output.mode", "overwrite"]) == 0
    assert spark.read.parquet(str(output)).count() == len(payload)
