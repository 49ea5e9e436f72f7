"""Runs over an input that grows: what is new is classified, once, and published batch by batch."""

import json
import os
import re
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from spark_entities.jobs.config import read_config
from spark_entities.jobs.enrich import main, run
from spark_entities.jobs.output.filesystem import FileSystem
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


def test_a_run_that_finds_nothing_new_says_since_when(tmp_path, enrich, capsys):
    arguments, add = enrich
    add(0, 1)
    assert main(arguments) == 0
    assert "documents    1" in capsys.readouterr().out
    assert main(arguments) == 0
    (run,) = (tmp_path / "out").iterdir()
    name = run.name.removeprefix("entity_run=")
    assert capsys.readouterr().out == f"Nothing new since run {name}.\n"


def test_another_setting_is_refused_by_name(enrich, capsys):
    arguments, add = enrich
    add(0, 1)
    assert main(arguments) == 0
    assert main([*arguments, "--classify.stride", "64"]) == 2
    assert "classify.stride was 128 and is 64. Results of one output" in capsys.readouterr().err
    assert main([*arguments, "--classify.buffer_chars", "1000"]) == 0  # it changes no result


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("--input.where", "id > 0", "input.where was None and is 'id > 0'"),
        ("--input.columns", "id,text", "input.columns was None and is ['id', 'text']"),
        ("--output.drop_text", "true", "output.drop_text was False and is True"),
    ],
)
def test_another_choice_of_rows_or_columns_is_refused_by_name(enrich, capsys, flag, value, told):
    arguments, add = enrich
    add(0, 2)
    assert main(arguments) == 0
    assert main([*arguments, flag, value]) == 2
    assert told in capsys.readouterr().err


def test_a_note_from_before_choices_were_noted_takes_those_of_the_next_run(enrich, tmp_path):
    arguments, add = enrich
    chosen = [*arguments, "--input.where", "id > 0"]
    add(0, 2)
    assert main(chosen) == 0
    note = tmp_path / ".out.incremental" / "fingerprint.json"
    noted = json.loads(note.read_text())
    note.write_text(json.dumps({key: noted[key] for key in noted if key != "input.where"}))
    assert main(chosen) == 0
    assert main(arguments) == 2
    assert json.loads(note.read_text()) == noted


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


@pytest.mark.slow
@pytest.mark.fault("files of odd ages", "dated weeks ago, in the future, and touched")
def test_the_age_of_a_file_does_not_matter(spark, tmp_path, enrich):
    arguments, add = enrich
    day = 24 * 3600

    def add_dated(first: int, days: int) -> None:
        add(first, 1)
        moment = time.time() + days * day
        os.utime(tmp_path / "in" / f"{first}.json", (moment, moment))

    for first, days in ((0, 0), (1, -10), (2, 30), (3, -8), (4, 0)):
        add_dated(first, days)
        assert run(spark, read_config(arguments)).documents == 1
    add_dated(1, 0)  # touched
    assert run(spark, read_config(arguments)).documents == 0
    assert ids(spark, tmp_path) == Counter(range(5))


@pytest.mark.fault("files that were moved", "renamed, and touched then; copied with their time")
def test_a_file_that_was_moved_is_not_published_again(spark, tmp_path, enrich, caplog):
    arguments, add = enrich
    for first in range(3):
        add(first, 1)
    assert run(spark, read_config(arguments)).documents == 3
    source = tmp_path / "in"
    (source / "0.json").rename(source / "renamed.json")
    (source / "1.json").rename(source / "moved.json")
    assert run(spark, read_config(arguments)).documents == 0
    assert "2 files were left out: they have the size and the time" in caplog.text
    os.utime(source / "renamed.json", (0, 0))  # it is known by its new name, too
    assert run(spark, read_config(arguments)).documents == 0
    shutil.copy2(source / "2.json", source / "copy.json")
    assert run(spark, read_config(arguments)).documents == 1
    assert ids(spark, tmp_path) == Counter([0, 1, 2, 2])


def test_files_of_whatever_name_are_published_once(spark, tmp_path, enrich):
    arguments, _ = enrich
    names = [
        "a b",
        "één",
        "x%20y",
        "p+q",
        "h#1",
        "c,d",
        "q?x",
        "br[1]",
        "st*r",
        "%zz",
        "~'\"",
        "k=v",
    ]
    for row, name in enumerate(names):
        path = tmp_path / "in" / f"pla ce=Kö=ln%{row % 2}" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"id": row, "text": "Emma."}))
    config = read_config([*arguments, "--input.max_files_per_batch", "5"])
    assert run(spark, config).documents == len(names)
    assert run(spark, config).documents == 0
    assert ids(spark, tmp_path) == Counter(range(len(names)))


@pytest.mark.fault("an input that a user deletes while it is read", "between two tries of a batch")
def test_a_batch_of_which_files_are_gone_is_tried_again_with_the_others(
    spark, tmp_path, enrich, monkeypatch, caplog
):
    arguments, add = enrich
    for first in range(3):
        add(first, 1)
    publish = RunFolders.put_in_place

    def delete(output, *rest) -> None:
        (tmp_path / "in" / "1.json").unlink()
        raise PublishError("no room")

    monkeypatch.setattr(RunFolders, "put_in_place", delete)
    assert main(arguments) == 1
    monkeypatch.setattr(RunFolders, "put_in_place", publish)
    add(5, 1)
    assert run(spark, read_config(arguments)).documents == 3
    assert re.search(r"1 files of batch-\w+-000000, at which a run stopped, are gone", caplog.text)
    assert ids(spark, tmp_path) == Counter([0, 2, 5])
    names = sorted(path.name[-6:] for path in (tmp_path / "out").iterdir())
    assert names == ["000000", "000001"]


@pytest.mark.fault("a file that is written to while it is read", "appended to, once it was listed")
def test_a_file_that_grows_is_published_whole(spark, tmp_path, enrich, monkeypatch, capsys):
    arguments, add = enrich
    add(0, 1)
    look_at = FileSystem.look_at

    def grow(files, path):
        with (tmp_path / "in" / "0.json").open("a") as file:
            file.write("\n" + json.dumps({"id": 1, "text": "Anna."}))
        return look_at(files, path)

    with monkeypatch.context() as patched:
        patched.setattr(FileSystem, "look_at", grow)
        assert main(arguments) == 1
    assert "they were changed meanwhile. Nothing more was published" in capsys.readouterr().err
    assert main(arguments) == 0
    assert ids(spark, tmp_path) == Counter([0, 1])


@pytest.mark.fault("a record of no bytes", "fingerprint.json and pending.json, as of a full disk")
def test_records_without_a_byte_count_as_absent(spark, tmp_path, enrich):
    arguments, add = enrich
    add(0, 1)
    state = tmp_path / ".out.incremental"
    state.mkdir()
    for name in ("fingerprint.json", "pending.json"):
        (state / name).touch()
    assert main(arguments) == 0
    assert json.loads((state / "fingerprint.json").read_text())["classify.stride"] == 128
    assert [path.name for path in state.iterdir()] != []
    assert main([*arguments, "--classify.stride", "64"]) == 2


def test_a_table_tells_by_itself_what_is_new_in_it(spark, tmp_path, capsys):
    def add(first: int, days: int) -> None:
        rows = spark.createDataFrame([(first, "Emma woont in Londen.")], "id int, text string")
        rows.coalesce(1).write.mode("append").option("path", str(tmp_path / "table")).saveAsTable(
            "growing"
        )
        [new] = {*(tmp_path / "table").glob("*.parquet")} - known
        known.add(new)
        moment = time.time() + days * 24 * 3600
        os.utime(new, (moment, moment))

    spark.sql("DROP TABLE IF EXISTS growing")
    known: set[Path] = set()
    arguments = ["--input.table", "growing", "--run.mode", "incremental"]
    arguments += ["--output.path", str(tmp_path / "out"), "--output.mode", "append"]
    for first, days in ((0, 0), (1, -10), (2, 30), (3, -8)):
        add(first, days)
        assert run(spark, read_config(arguments)).documents == 1
    assert run(spark, read_config(arguments)).documents == 0
    assert ids(spark, tmp_path) == Counter(range(4))
    shutil.rmtree(tmp_path / "out")
    assert main(arguments) == 2
    assert "remembers what was published there. Restore it" in capsys.readouterr().err
