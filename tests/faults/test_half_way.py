"""Runs that die: what was published before stays as it was, byte for byte."""

import hashlib
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.enrich import main

SECRET = "Geheim: Jan Mol woont in Gent."


@pytest.fixture
def broken_input(spark: SparkSession, tmp_path: Path) -> Path:
    """Nine Parquet files; the pages of the last are overwritten, so its task fails midway."""
    folder = tmp_path / "in"
    for _ in range(9):
        spark.createDataFrame([(SECRET,)] * 50, "text string").coalesce(1).write.option(
            "compression", "none"
        ).mode("append").parquet(str(folder))
    parts = sorted(folder.glob("part-*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    content = bytearray(parts[-1].read_bytes())
    content[4:64] = b"\xff" * 60
    parts[-1].write_bytes(content)
    for checksum in folder.glob(".*.crc"):
        checksum.unlink()
    return folder


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_run_that_fails_half_way_leaves_the_old_output(spark, tmp_path, broken_input, capsys):
    good, output = tmp_path / "good", tmp_path / "out"
    spark.createDataFrame([("Emma woont in Londen.",)], "text string").write.parquet(str(good))
    assert main(["--input.path", str(good), "--output.path", str(output)]) == 0
    before = digest(output)
    flags = ["--output.path", str(output), "--output.mode", "overwrite"]
    assert main(["--input.path", str(broken_input), *flags]) == 1
    assert digest(output) == before
    assert len(before) >= 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good", "in", "out"]
    said = capsys.readouterr()
    assert "its result was not published" in said.err
    assert "Geheim" not in said.out + said.err
