"""The commands of the README, run as a user runs them."""

import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("spark-entities")
SUBMIT = Path(sys.executable).with_name("spark-submit")


def run(*words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], cwd=cwd, capture_output=True, text=True, check=False)


def test_the_demo_prints_entities_and_writes_them(tmp_path):
    output = tmp_path / "demo"
    done = run(COMMAND, "enrich", "--config", "conf/demo.yaml", "--output.path", output)
    assert done.returncode == 0, done.stderr
    assert "Emma PER [13, 17)" in done.stdout
    assert "Londen LOC [32, 38)" in done.stdout
    assert re.search(r"documents +64", done.stdout)
    assert f"result       file:{output}/entity_run=" in done.stdout
    rows = pq.read_table(output).to_pylist()
    assert len(rows) == 64
    for row in rows:
        for entity in row["entities"] or []:
            assert row["text"][entity["start"] : entity["end"]] == entity["word"]
    (null,) = [row for row in rows if row["text"] is None]
    assert (null["entities"], null["entity_error"]) == (None, None)
    longest = max(rows, key=lambda row: len(row["text"] or ""))
    assert [e["word"] for e in longest["entities"]][-2:] == ["Willem de Vries", "Utrecht"]


def test_sixteen_partitions_on_one_core_load_the_model_once(spark, tmp_path):
    source, output = tmp_path / "in", tmp_path / "out"
    df = spark.createDataFrame([("Emma woont in Londen.",)] * 64, "text string")
    df.repartition(16).write.parquet(str(source))
    done = run(
        COMMAND, "enrich", "--input.path", source, "--output.path", output,
        "--spark.master", "local[1]",
        "--spark.config", '{"spark.sql.files.maxPartitionBytes": "4000000"}',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list(output.glob("entity_run=*/part-*.parquet"))) == 16
    assert re.search(r"model loads +1 \(", done.stdout)


def test_spark_submit_runs_the_job(tmp_path):
    output = tmp_path / "out"
    done = run(
        SUBMIT, "--master", "local[1]", "jobs/enrich.py", "--config", "conf/local.yaml",
        "--input.path", "conf/demo-documents.jsonl", "--input.format", "json",
        "--output.path", output,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(pq.read_table(output)) == 64


@pytest.mark.parametrize(
    ("words", "status"), [(["--help"], 0), ([], 0), (["enrihc"], 2), (["enrich", "--help"], 0)]
)
def test_the_command_says_how_it_is_used(words, status):
    done = run(COMMAND, *words)
    assert done.returncode == status
    assert "usage: spark-entities" in done.stdout


def test_without_java_one_line_says_what_to_install(monkeypatch, capsys):
    from spark_entities.jobs.enrich import main

    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["--input.path", "x", "--output.path", "y"]) == 2
    assert re.fullmatch(r"refused: Java is missing: .*openjdk-17.*\n", capsys.readouterr().err)
