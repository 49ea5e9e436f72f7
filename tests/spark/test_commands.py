"""The command, run as a user runs it; test_documentation.py runs those of the README."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("spark-entities")


def run(*words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], cwd=cwd, capture_output=True, text=True, check=False)


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
    assert re.search(r"model loads +1\s", done.stdout)


@pytest.mark.parametrize(
    ("words", "status"), [(["--help"], 0), ([], 0), (["enrihc"], 2), (["enrich", "--help"], 0)]
)
def test_the_command_says_how_it_is_used(words, status):
    done = run(COMMAND, *words)
    assert done.returncode == status
    assert "usage: spark-entities" in done.stdout


def test_a_file_of_another_format_is_one_line(tmp_path):
    (tmp_path / "a.json").write_text('{"text": "Emma"}')
    flags = "--input.path", tmp_path / "a.json", "--output.path", tmp_path / "out"
    done = run(COMMAND, "check", *flags)
    assert done.returncode == 2
    phases = ("Checking", "Starting", "Reading", "WARNING: Using incubator")
    [said] = [line for line in done.stderr.splitlines() if not line.startswith(phases)]
    assert said.endswith("Did you mean input.format=json?")


def test_without_java_one_line_says_what_to_install(monkeypatch, capsys):
    from spark_entities.jobs.enrich import main

    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["--input.path", "x", "--output.path", "y"]) == 2
    assert re.fullmatch(r"refused: Java is missing: .*openjdk-17.*\n", capsys.readouterr().err)
