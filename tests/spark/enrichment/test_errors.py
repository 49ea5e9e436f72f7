"""What becomes of documents that fail, and what a run leaves behind to tell how it was made."""

import hashlib
import json
import os
import shutil

import pytest
from pyspark.errors import PythonException

from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.enrich import enrich as enrich_table
from spark_entities.jobs.enrich import main
from spark_entities.jobs.output.publish import check_schema
from spark_entities.jobs.output.run_folders import RunFolders
from spark_entities.udfs.checkpoint import BUNDLED_FOLDER
from spark_entities.udfs.errors import PublishError

TEXTS = ["Emma woont in Londen.", "Emma " * 30, "Frans woont in Utrecht."]


@pytest.fixture
def enrich(spark, tmp_path):
    """Three documents, the second of them too long; returns a function that runs the job."""
    lines = [json.dumps({"id": row, "text": text}) for row, text in enumerate(TEXTS)]
    (tmp_path / "in.json").write_text("\n".join(lines))
    source = ["--input.path", str(tmp_path / "in.json"), "--input.format", "json"]
    output = ["--output.path", str(tmp_path / "out"), "--classify.max_document_chars", "50"]
    return lambda *flags: main([*source, *output, "--run.id", "run-a", *flags])


def rows(spark, folder) -> list[dict]:
    return [row.asDict() for row in spark.read.parquet(str(folder)).orderBy("id").collect()]


def test_failed_documents_are_kept_with_their_reason(spark, enrich, tmp_path):
    assert enrich() == 0
    assert [row["entity_error"] is None for row in rows(spark, tmp_path / "out")] == [
        True,
        False,
        True,
    ]


def test_one_failed_document_fails_the_run_where_that_is_wanted(enrich, tmp_path, capsys):
    assert enrich("--errors.policy", "fail") == 1
    assert "1 of 3 documents failed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("with_text", [False, True])
def test_failed_documents_are_written_apart_too(spark, enrich, tmp_path, with_text):
    flags = ["--errors.policy", "quarantine", "--errors.quarantine_path", str(tmp_path / "bad")]
    assert enrich(*flags, "--errors.quarantine_text", str(with_text)) == 0
    assert [row["id"] for row in rows(spark, tmp_path / "out")] == [0, 1, 2]
    [row] = rows(spark, tmp_path / "bad")
    assert row["id"] == 1
    assert row["entity_error"] == "longer than classify.max_document_chars=50 characters"
    assert row["entity_run"] == "run-a"
    assert row.get("text") == (TEXTS[1] if with_text else None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "in.json", "out"]


@pytest.fixture
def apart(tmp_path) -> list[str]:
    """Flags by which mentions are published, and failures of several outputs written apart."""
    flags = ["--output.layout", "mentions", "--input.id_column", "id"]
    flags += ["--errors.policy", "quarantine", "--errors.quarantine_path", str(tmp_path / "bad")]
    return [*flags, "--errors.max_failed_fraction", "1"]


@pytest.mark.parametrize("where", ["out", "other"])
def test_failures_are_not_lost_where_those_of_another_run_have_its_name(
    spark, enrich, apart, tmp_path, capsys, where
):
    assert enrich(*apart) == 0
    (tmp_path / "in.json").write_text(json.dumps({"id": 7, "text": TEXTS[1]}))
    again = [*apart, "--output.mode", "overwrite", "--output.path", str(tmp_path / where)]
    assert enrich(*again) == 2
    assert "stands in errors.quarantine_path=" in capsys.readouterr().err
    assert [row["id"] for row in rows(spark, tmp_path / "bad")] == [1]
    assert enrich(*again, "--run.id", "run-b") == 0
    assert [row["id"] for row in rows(spark, tmp_path / "bad")] == [1, 7]


def test_a_run_that_died_before_it_was_published_is_tried_again_under_its_name(
    spark, enrich, apart, tmp_path, monkeypatch
):
    in_place = RunFolders.put_in_place

    def only_apart(output, *rest) -> None:
        if not output.path.endswith("/bad"):
            raise PublishError("no room")
        in_place(output, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(RunFolders, "put_in_place", only_apart)
        assert enrich(*apart) == 1
    assert [row["id"] for row in rows(spark, tmp_path / "bad")] == [1]
    (tmp_path / "in.json").write_text(json.dumps({"id": 7, "text": TEXTS[1]}))
    assert enrich(*apart) == 0
    assert [row["id"] for row in rows(spark, tmp_path / "bad")] == [7]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "in.json", "out"]


def test_nothing_is_written_apart_where_nothing_is_published(enrich, tmp_path):
    flags = ["--errors.policy", "quarantine", "--errors.quarantine_path", str(tmp_path / "bad")]
    assert enrich(*flags, "--errors.max_failed_fraction", "0") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.json"]


@pytest.mark.parametrize(
    "flags",
    [["--errors.policy", "quarantine"], ["--errors.quarantine_path", "somewhere"]],
)
def test_quarantine_and_its_path_go_together(enrich, capsys, flags):
    assert enrich(*flags) == 2
    assert "give a path with 'quarantine', and with it alone" in capsys.readouterr().err


def test_a_run_leaves_a_record_that_readers_pass_over(spark, enrich, tmp_path):
    assert enrich() == 0
    record = json.loads((tmp_path / "out" / "entity_run=run-a" / "_run.json").read_text())
    weights = (BUNDLED_FOLDER / "model.safetensors").read_bytes()
    assert record["model_sha256"] == hashlib.sha256(weights).hexdigest()
    assert (record["run"], record["documents"], record["failed"]) == ("run-a", 3, 1)
    assert record["model"] == f"bundled@{record['model_sha256'][:12]}"
    assert record["classify"]["max_document_chars"] == 50
    assert len(rows(spark, tmp_path / "out")) == 3


@pytest.mark.fault("weights that change", "one bit is flipped after the driver has read them")
def test_workers_refuse_other_weights_than_the_driver_saw(spark, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED_FOLDER, folder)
    documents = spark.createDataFrame([(TEXTS[0],)], "text string")
    planned = enrich_table(documents, EnrichConfig(model={"name": str(folder)}))
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, os.SEEK_END)
        last = weights.read(1)
        weights.seek(-1, os.SEEK_END)
        weights.write(bytes([last[0] ^ 1]))  # one bit
    with pytest.raises(PythonException, match=r"ModelLoadError: model\.sha256="):
        planned.collect()


@pytest.mark.fault("other columns than planned", "the schema of what was written is changed")
def test_columns_that_were_not_written_as_planned_publish_nothing(spark):
    planned = spark.createDataFrame([], "id int, text string").schema
    check_schema(planned, spark.createDataFrame([], "id int, text string").schema)
    with pytest.raises(PublishError, match="not written as planned: id;"):
        check_schema(planned, spark.createDataFrame([], "id long, text string").schema)
    with pytest.raises(PublishError, match="not written as planned: text;"):
        check_schema(planned, spark.createDataFrame([], "id int").schema)
