"""Inputs that are not as they should be: every row leaves, or nothing is published."""

import json
import os
import subprocess
import sys
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_entities.jobs.enrich import main
from tests.faults.sentinels import DOCUMENT, text_of
from tests.faults.test_killed_driver import contents

ROWS = 12


@pytest.fixture
def enrich(tmp_path):
    """Write tables as files of one input; returns a function that runs the job over them."""

    def call(*tables: pa.Table) -> int:
        for number, table in enumerate(tables):
            (tmp_path / "in").mkdir(exist_ok=True)
            pq.write_table(table, tmp_path / "in" / f"{number}.parquet")
        paths = ["--input.path", str(tmp_path / "in"), "--output.path", str(tmp_path / "out")]
        return main([*paths, "--output.mode", "overwrite"])

    return call


def documents(**columns: list[object]) -> pa.Table:
    return pa.table({"text": [text_of(row) for row in range(ROWS)], **columns})


@pytest.mark.fault("null and duplicate ids", "in a Parquet file")
def test_rows_are_kept_whatever_their_ids_are(spark, enrich, tmp_path):
    ids = [None, None, None, "a", "a", "b"] * 2
    assert enrich(documents(id=ids)) == 0
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    assert Counter(row["id"] for row in rows) == Counter(ids)
    assert Counter(row["text"] for row in rows) == Counter(documents()["text"].to_pylist())


@pytest.mark.fault("a skewed input", "90 % of the bytes in one of six files")
def test_rows_of_a_skewed_input_all_leave_once(spark, enrich, tmp_path):
    one = documents(id=list(range(ROWS)))
    large = pa.table({"text": [text_of(row) * 40 for row in range(50)], "id": [*range(100, 150)]})
    sizes = [sum(map(len, table["text"].to_pylist())) for table in (one, large)]
    assert sizes[1] / (5 * sizes[0] + sizes[1]) > 0.9
    assert enrich(large, *[one] * 5) == 0
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    assert Counter(row["id"] for row in rows) == Counter([*range(ROWS)] * 5 + [*range(100, 150)])
    assert all(row["entity_error"] is None for row in rows)


@pytest.mark.fault("a missing column", "in one of two Parquet files")
def test_rows_of_a_file_without_texts_leave_with_a_null(spark, enrich, tmp_path):
    assert enrich(documents(id=["a"] * ROWS), pa.table({"id": ["b"]})) == 0
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    assert Counter(row["id"] for row in rows) == Counter({"a": ROWS, "b": 1})
    [empty] = [row for row in rows if row["id"] == "b"]
    assert (empty["text"], empty["entities"], empty["entity_error"]) == (None, None, None)


RETYPED = {
    "texts are numbers": {"text": [1, 2], "id": ["a", "b"]},
    "ids are structs": {"text": [text_of(0)], "id": [{"key": "a"}]},
}


@pytest.mark.fault("retyped columns", "in one of two Parquet files")
@pytest.mark.parametrize("other", RETYPED)
def test_a_file_of_other_types_fails_the_run_and_leaves_the_old_output(
    enrich, tmp_path, capfd, other
):
    good = documents(id=[str(row) for row in range(ROWS)])
    assert enrich(good) == 0
    old = contents(tmp_path / "out")
    capfd.readouterr()
    assert enrich(good, pa.table(RETYPED[other])) == 1
    said = capfd.readouterr()
    assert "its result was not published" in said.err
    assert DOCUMENT not in said.out + said.err
    assert contents(tmp_path / "out") == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.fault("the C locale", "a file, and a partition, whose names are not ASCII")
@pytest.mark.parametrize(
    "locale",
    [
        pytest.param({"LC_ALL": "C"}, id="LC_ALL=C"),
        pytest.param({}, id="none set", marks=pytest.mark.slow),
    ],
)
def test_files_are_found_whatever_the_locale(tmp_path, locale):
    for name, word in (("Ede/a", "Emma"), ("Ede/één", "Anna"), ("Köln/b", "Bram")):
        path = tmp_path / "in" / f"stad={name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"text": f"{word} woont in Londen."}))
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))}
    command = [sys.executable, "-m", "spark_entities.jobs", "enrich", "--spark.master", "local[1]"]
    command += ["--input.path", tmp_path / "in", "--input.format", "json"]
    command += ["--output.path", tmp_path / "out"]
    done = subprocess.run(
        [*map(str, command)], env=kept | locale, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "out").to_pylist()
    found = sorted((row["text"].split()[0], row["stad"]) for row in rows)
    assert found == [("Anna", "Ede"), ("Bram", "Köln"), ("Emma", "Ede")]
