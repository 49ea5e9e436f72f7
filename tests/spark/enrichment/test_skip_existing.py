"""Inputs that change in place: what stands in the output as it is, is not classified again."""

import json
from collections import Counter

import pytest
from pyspark.sql import functions as F

from spark_entities.jobs.config import read_config
from spark_entities.jobs.enrich import main, run

TEXTS = {0: "Emma woont in Londen.", 1: None, 2: "", 3: "Frans woont in Utrecht."}


@pytest.fixture
def enrich(spark, tmp_path):
    """Returns a function that writes an input of ids and texts and enriches what is new in it."""

    def call(rows, *flags: str) -> int:
        lines = [json.dumps({"id": key, "text": text}) for key, text in rows]
        (tmp_path / "in.json").write_text("\n".join(lines))
        return run(spark, read_config([*arguments, *flags])).documents

    arguments = ["--input.path", str(tmp_path / "in.json"), "--input.format", "json"]
    arguments += ["--input.id_column", "id", "--run.skip_existing", "True"]
    arguments += ["--output.path", str(tmp_path / "out"), "--output.mode", "append"]
    return call


def ids(spark, tmp_path) -> Counter:
    rows = spark.read.parquet(str(tmp_path / "out")).select("id").collect()
    return Counter(row["id"] for row in rows)


def test_only_documents_that_are_new_or_changed_are_classified(spark, enrich, tmp_path):
    assert enrich(TEXTS.items()) == 4
    assert enrich(TEXTS.items()) == 0
    assert enrich([*TEXTS.items(), (4, "Emma woont in Londen.")]) == 1
    assert enrich([*(TEXTS | {1: "Emma", 3: None}).items()]) == 2
    assert ids(spark, tmp_path) == Counter({0: 1, 1: 2, 2: 1, 3: 2, 4: 1})


def test_a_run_that_finds_nothing_new_says_since_when(enrich, tmp_path, capsys):
    enrich(TEXTS.items(), "--run.id", "run-a")
    flags = ["--input.path", str(tmp_path / "in.json"), "--input.format", "json"]
    flags += ["--input.id_column", "id", "--run.skip_existing", "True"]
    assert main([*flags, "--output.path", str(tmp_path / "out"), "--output.mode", "append"]) == 0
    assert capsys.readouterr().out == "Nothing new since run run-a.\n"


def test_ids_that_are_null_or_stand_twice_lose_no_row(spark, enrich, tmp_path):
    rows = [(None, "Emma"), (None, "Frans"), (7, "Emma"), (7, "Emma"), (7, "Frans")]
    assert enrich(rows) == 5
    assert enrich(rows) == 0
    assert enrich([*rows, (None, "Londen"), (7, "Londen")]) == 2
    assert ids(spark, tmp_path) == Counter({None: 3, 7: 4})


def test_other_settings_classify_again_and_settings_of_speed_do_not(enrich):
    assert enrich(TEXTS.items()) == 4
    assert enrich(TEXTS.items(), "--classify.max_padded_tokens", "512") == 0
    assert enrich(TEXTS.items(), "--classify.stride", "64") == 4
    assert enrich(TEXTS.items()) == 0


def test_the_newest_result_of_an_id_can_be_told(spark, enrich, tmp_path):
    enrich([(0, "Emma woont in Londen.")], "--run.id", "run-20260101")
    enrich([(0, "Emma woont in Utrecht.")], "--run.id", "run-20260102")
    newest = F.max_by("text", "entity_run").alias("text")
    [row] = spark.read.parquet(str(tmp_path / "out")).groupBy("id").agg(newest).collect()
    assert row["text"] == "Emma woont in Utrecht."


def test_no_id_or_text_comes_to_the_driver(spark, enrich, monkeypatch):
    enrich(TEXTS.items())
    asked = []
    frame = type(spark.range(1))
    for name in ("collect", "toPandas", "toLocalIterator", "take"):
        monkeypatch.setattr(frame, name, lambda *_, name=name: asked.append(name))
    assert enrich([*TEXTS.items(), (4, "Emma")]) == 1
    assert asked == []


def test_what_does_not_go_together_is_refused(enrich, tmp_path, capsys):
    flags = ["--input.path", str(tmp_path), "--output.path", str(tmp_path / "out")]
    flags += ["--run.skip_existing", "True"]
    assert main(flags) == 2
    assert "needs input.id_column set to the column with the ids" in capsys.readouterr().err
    assert main([*flags, "--input.id_column", "id"]) == 2
    assert "needs output.mode set to 'append'" in capsys.readouterr().err
    incremental = ["--run.mode", "incremental", "--output.mode", "append"]
    assert main([*flags, "--input.id_column", "id", *incremental]) == 2
    assert "needs run.mode set to 'batch'" in capsys.readouterr().err


def test_an_id_that_is_missing_or_of_another_type_is_refused(spark, enrich, tmp_path, capsys):
    enrich(TEXTS.items())
    source = str(tmp_path / "strings")
    spark.createDataFrame([("0", "Emma")], "id string, text string").write.parquet(source)
    flags = ["--input.path", source, "--run.skip_existing", "True", "--output.mode", "append"]
    flags += ["--output.path", str(tmp_path / "out")]
    assert main([*flags, "--input.id_column", "key"]) == 2
    assert "input.id_column='key' is not a column of the input" in capsys.readouterr().err
    assert main([*flags, "--input.id_column", "id"]) == 2
    assert "is of type string, and bigint in what stands" in capsys.readouterr().err
