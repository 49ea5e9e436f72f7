"""Runs over an input that grows: what is new is classified, once, and published batch by batch."""

import json
from collections import Counter

import pytest

from spark_entities.jobs.config import read_config
from spark_entities.jobs.enrich import main, run
from spark_entities.jobs.output.run_folders import RunFolders
from spark_entities.udfs.errors import PublishError


@pytest.fixture
def enrich(spark, tmp_path):
    """Returns a function that runs the job, and one that adds a file of documents to its input."""
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()

    def add(first: int, count: int, text: str = "Emma woont in Londen.") -> None:
        lines = [json.dumps({"id": first + row, "text": text}) for row in range(count)]
        (source / f"{first}.json").write_text("\n".join(lines))

    arguments = ["--input.path", str(source), "--input.format", "json"]
    arguments += ["--output.path", str(output), "--output.mode", "append"]
    arguments += ["--run.mode", "incremental", "--classify.max_document_chars", "50"]
    return arguments, add


def ids(spark, tmp_path) -> Counter:
    return Counter(row["id"] for row in spark.read.parquet(str(tmp_path / "out")).collect())


def test_only_what_is_new_is_classified(spark, tmp_path, enrich):
    arguments, add = enrich
    add(0, 3)
    assert run(spark, read_config(arguments)).documents == 3
    assert run(spark, read_config(arguments)).documents == 0
    add(10, 2)
    add(20, 2)
    summary = run(spark, read_config(arguments))
    assert (summary.documents, summary.entities["LOC"]) == (4, 4)
    assert ids(spark, tmp_path) == Counter([0, 1, 2, 10, 11, 20, 21])
    runs = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert [name[:17] for name in runs] == ["entity_run=batch-"] * 2
    assert [name[-7:] for name in runs] == ["-000000", "-000001"]


@pytest.mark.fault("a batch of which too much fails", "documents that are too long")
def test_a_batch_of_which_too_much_fails_is_tried_again_by_the_next_run(
    spark, tmp_path, enrich, capsys
):
    arguments, add = enrich
    add(0, 2)
    assert main(arguments) == 0
    add(10, 2, text="Emma " * 30)
    assert main(arguments) == 1
    assert "2 of 2 documents failed, more than errors.max_failed" in capsys.readouterr().err
    assert ids(spark, tmp_path) == Counter([0, 1])
    assert main([*arguments, "--errors.max_failed_fraction", "1"]) == 0
    assert ids(spark, tmp_path) == Counter([0, 1, 10, 11])


def test_another_setting_is_refused_by_name(enrich, capsys):
    arguments, add = enrich
    add(0, 1)
    assert main(arguments) == 0
    assert main([*arguments, "--classify.stride", "64"]) == 2
    assert "classify.stride was 128 and is 64. Results of one output" in capsys.readouterr().err
    assert main([*arguments, "--classify.buffer_chars", "1000"]) == 0  # it changes no result


def test_another_schema_is_refused_by_name(spark, tmp_path, enrich, capsys):
    arguments, add = enrich
    add(0, 1)
    assert main(arguments) == 0
    (tmp_path / "in" / "other.json").write_text('{"id": 5, "text": "Emma", "author": "Jan"}')
    assert main(arguments) == 2
    assert "input's columns was 'struct<id" in capsys.readouterr().err


def test_a_single_file_is_refused(enrich, tmp_path, capsys):
    arguments, add = enrich
    add(0, 1)
    file = str(tmp_path / "in" / "0.json")
    assert main([file if flag == str(tmp_path / "in") else flag for flag in arguments]) == 2
    assert "is a file, and run.mode=incremental looks for new files" in capsys.readouterr().err


def test_incremental_runs_append(capsys, tmp_path):
    flags = ["--input.path", str(tmp_path), "--output.path", str(tmp_path / "out")]
    assert main([*flags, "--run.mode", "incremental"]) == 2
    assert "Set output.mode to 'append'" in capsys.readouterr().err
    flags += ["--output.mode", "append", "--run.id", "mine"]
    assert main([*flags, "--run.mode", "incremental"]) == 2
    assert "Leave run.id out" in capsys.readouterr().err


def test_a_batch_whose_failures_were_written_apart_is_not_so_twice(
    spark, tmp_path, enrich, monkeypatch
):
    arguments, add = enrich
    add(0, 2, text="Emma " * 30)
    arguments += ["--errors.policy", "quarantine", "--errors.max_failed_fraction", "1"]
    arguments += ["--errors.quarantine_path", str(tmp_path / "bad")]
    in_place = RunFolders.put_in_place

    def only_apart(output, *rest) -> None:
        if not output.path.endswith("/bad"):
            raise PublishError("no room")
        in_place(output, *rest)

    monkeypatch.setattr(RunFolders, "put_in_place", only_apart)
    assert main(arguments) == 1
    monkeypatch.undo()
    assert main(arguments) == 0
    assert ids(spark, tmp_path) == Counter([0, 1])
    assert spark.read.parquet(str(tmp_path / "bad")).count() == 2
