"""Runs that die: what was published before stays as it was, byte for byte."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_entities.jobs.enrich import main
from tests.faults.sentinels import find_leaks, text_of
from tests.faults.test_killed_driver import contents


@pytest.fixture
def broken_input(spark: SparkSession, tmp_path: Path) -> Path:
    """Nine Parquet files; the pages of the last are overwritten, so its task fails midway."""
    folder = tmp_path / "in"
    for _ in range(9):
        spark.createDataFrame([(text_of(0),)] * 50, "text string").coalesce(1).write.option(
            "compression", "none"
        ).mode("append").parquet(str(folder))
    parts = sorted(folder.glob("part-*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    content = bytearray(parts[-1].read_bytes())
    content[4:64] = b"\xff" * 60
    parts[-1].write_bytes(content)
    for checksum in folder.glob(".*.crc"):
        checksum.unlink()
    return folder


@pytest.mark.fault("corrupt Parquet", "the pages of the last of nine files are overwritten")
def test_a_run_that_fails_half_way_leaves_the_old_output(spark, tmp_path, broken_input, capfd):
    good, output = tmp_path / "good", tmp_path / "out"
    spark.createDataFrame([("Emma woont in Londen.",)], "text string").write.parquet(str(good))
    assert main(["--input.path", str(good), "--output.path", str(output)]) == 0
    before = contents(output)
    flags = ["--output.path", str(output), "--output.mode", "overwrite"]
    assert main(["--input.path", str(broken_input), *flags]) == 1
    assert contents(output) == before
    assert len(before) >= 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good", "in", "out"]
    said = capfd.readouterr()
    assert "its result was not published" in said.err
    assert find_leaks([output], said.out + said.err) == []
