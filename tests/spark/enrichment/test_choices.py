"""Which columns, rows and entities a run has, and what it takes out of texts."""

import json
import re
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.enrich import enrich, main, run
from spark_entities.udfs.errors import ConfigError

EMMA = "Mijn naam is Emma en ik woon in Londen."
FRANS = "Frans van Houten werkt bij Philips in Eindhoven."
KIND = "id int, title string, body string, source struct<name: string, url: string>"
ROWS = [
    (1, "Emma woont in Londen.", FRANS, ("Philips", "x")),
    (2, None, EMMA, None),
    (3, "", None, (None, "y")),
]


@pytest.fixture(scope="module")
def articles(spark):
    return spark.createDataFrame(ROWS, KIND).coalesce(1).cache()


@pytest.fixture
def written(articles, tmp_path) -> str:
    articles.write.parquet(str(tmp_path / "in"))
    return str(tmp_path / "in")


def configure(path, tmp_path, **sections) -> EnrichConfig:
    return EnrichConfig(
        input={"path": path, **sections.pop("input", {})},
        output={"path": str(tmp_path / "out"), **sections.pop("output", {})},
        **sections,
    )


def words(row, column) -> list[str] | None:
    return None if row[column] is None else [entity["word"] for entity in row[column]]


def test_several_columns_of_texts_go_through_one_model(spark, written, tmp_path):
    columns = ["title", "body", "source.name"]
    config = configure(written, tmp_path, input={"text_columns": columns})
    summary = run(spark, config)
    first, second, third = spark.read.parquet(config.output.path).orderBy("id").collect()
    assert words(first, "title_entities") == ["Emma", "Londen"]
    assert first["body_entities_per"] == ["Frans van Houten"]
    assert words(first, "source_name_entities") == ["Philips"]
    assert [words(second, f"{name}_entities") for name in ("title", "source_name")] == [None, None]
    assert words(third, "title_entities") == []
    assert second["body_entity_error"] is None
    found = [
        words(row, f"{name}_entities") or []
        for row in (first, second, third)
        for name in ("title", "body", "source_name")
    ]
    assert summary.documents == 3
    assert sum(summary.entities.values()) == sum(map(len, found))
    assert summary.num_model_loads <= 1
    (record,) = Path(config.output.path).glob("entity_run=*/_run.json")
    assert json.loads(record.read_text())["text_columns"] == columns


def test_a_run_of_other_columns_of_texts_is_not_added_to_the_output(spark, written, tmp_path):
    run(spark, configure(written, tmp_path, input={"text_columns": ["title", "body"]}))
    config = configure(written, tmp_path, input={"text_column": "body"}, output={"mode": "append"})
    with pytest.raises(ConfigError, match=r"input.text_columns=\[\], but .* lies there by"):
        run(spark, config)


def test_an_error_is_that_of_its_column(spark, written, tmp_path):
    config = configure(
        written,
        tmp_path,
        input={"text_columns": ["title", "body"]},
        classify={"max_document_chars": 30},
        errors={"max_failed_fraction": 1, "policy": "quarantine", "quarantine_path": "q"},
    )
    config = config.model_copy(
        update={
            "errors": config.errors.model_copy(update={"quarantine_path": str(tmp_path / "apart")})
        }
    )
    summary = run(spark, config)
    rows = spark.read.parquet(config.output.path).orderBy("id").collect()
    assert [row["title_entity_error"] for row in rows] == [None, None, None]
    assert [row["body_entity_error"] is None for row in rows] == [False, False, True]
    assert words(rows[0], "title_entities") == ["Emma", "Londen"]
    assert summary.failed == 2
    apart = spark.read.parquet(str(tmp_path / "apart"))
    assert apart.count() == 2
    assert not {"title", "body"} & {*apart.columns}


def test_mentions_tell_of_which_column_they_are(spark, written, tmp_path):
    config = configure(
        written,
        tmp_path,
        input={"text_columns": ["title", "body"], "id_column": "id"},
        output={"layout": "mentions", "prefix": "x_"},
        errors={"policy": "fail"},
    )
    run(spark, config)
    mentions = spark.read.parquet(config.output.path)
    assert mentions.columns[:2] == ["id", "text_column"]
    assert mentions.columns[-2:] == ["x_entity_model", "x_entity_run"]
    found = {(row["id"], row["text_column"], row["word"]) for row in mentions.collect()}
    assert {(1, "title", "Emma"), (1, "body", "Frans van Houten"), (2, "body", "Emma")} <= found


def test_a_second_model_stands_beside_the_first(spark, written, tmp_path):
    first = configure(written, tmp_path, input={"text_column": "body"})
    run(spark, first)
    second = EnrichConfig(
        input={"path": first.output.path, "text_column": "body"},
        output={"path": str(tmp_path / "both"), "prefix": "loc_"},
        classify={"labels": ["LOC"]},
    )
    run(spark, second)
    row = spark.read.parquet(second.output.path).where("id = 1").collect()[0]
    assert words(row, "entities") == ["Frans van Houten", "Philips", "Eindhoven"]
    assert words(row, "loc_entities") == ["Eindhoven"]
    assert row["entity_run"] != row["loc_entity_run"]
    assert [path.name[:15] for path in (tmp_path / "both").iterdir()] == ["loc_entity_run="]


def test_rows_and_columns_are_chosen(spark, articles):
    config = EnrichConfig(
        input={"text_column": "body", "where": "title IS NULL OR id = 3", "columns": ["id"]}
    )
    planned = enrich(articles, config)
    assert planned.columns[:2] == ["id", "entities"]
    rows = {row["id"]: words(row, "entities") for row in planned.collect()}
    assert rows == {2: ["Emma", "Londen"], 3: None}


def test_a_dict_is_no_configuration(articles):
    with pytest.raises(ConfigError, match=r"config is of type dict\. Give EnrichConfig"):
        enrich(articles, {"input": {"text_column": "body"}})


def test_a_column_that_is_not_carried_along_is_in_nobodys_way(spark, articles):
    df = articles.withColumn("entities", F.lit(1))
    config = EnrichConfig(input={"text_column": "body", "columns": ["id"]})
    assert enrich(df, config).columns[:2] == ["id", "entities"]


def test_no_more_documents_than_the_limit_are_classified(spark, written, tmp_path):
    config = configure(
        written, tmp_path, input={"text_column": "body", "limit": 2, "min_partitions": 2}
    )
    assert run(spark, config).documents == 2


def test_a_limit_counts_what_does_not_stand_there_yet(spark, written, tmp_path):
    sections = {
        "input": {"text_column": "body", "limit": 1, "id_column": "id"},
        "output": {"mode": "append"},
        "run": {"skip_existing": True},
    }
    for number in range(1, 4):
        config = configure(written, tmp_path, **sections)
        assert run(spark, config).documents == 1
        ids = spark.read.parquet(config.output.path).select("id").distinct()
        assert ids.count() == number


def test_entities_that_are_left_out_are_counted_and_have_no_columns(spark, written, tmp_path):
    config = configure(
        written,
        tmp_path,
        input={"text_column": "body"},
        classify={"labels": ["PER", "LOC"], "min_score": {"PER": 1.0}},
    )
    summary = run(spark, config)
    df = spark.read.parquet(config.output.path)
    assert [name for name in df.columns if name.startswith("entities_")] == [
        "entities_per",
        "entities_loc",
    ]
    assert [words(row, "entities") for row in df.orderBy("id").collect()] == [
        ["Eindhoven"],
        ["Londen"],
        None,
    ]
    assert (summary.entities, summary.num_left_out) == ({"PER": 0, "LOC": 2}, 3)
    assert sum(summary.entities.values()) == 2


REDACT = {"groups": ["PER", "LOC"]}


def test_what_is_redacted_stands_beside_the_text(spark, written, tmp_path):
    config = configure(written, tmp_path, input={"text_column": "body"}, redact=REDACT)
    run(spark, config)
    rows = spark.read.parquet(config.output.path).orderBy("id").collect()
    assert [row["body_redacted"] for row in rows] == [
        "[PER] werkt bij Philips in [LOC].",
        "Mijn naam is [PER] en ik woon in [LOC].",
        None,
    ]
    for row in rows[:2]:
        spans = row["body_redacted_spans"]
        marked = [row["body_redacted"][span["start"] : span["end"]] for span in spans]
        assert marked == ["[PER]", "[LOC]"]
        assert [span["entity_group"] for span in spans] == ["PER", "LOC"]


def test_without_the_text_no_word_of_it_that_is_redacted_is_left(spark, written, tmp_path):
    config = configure(
        written,
        tmp_path,
        input={"text_columns": ["body", "source.name"], "columns": ["id", "body", "source"]},
        output={"drop_text": True},
        redact={"groups": ["PER", "ORG"], "style": "mask"},
    )
    run(spark, config)
    df = spark.read.parquet(config.output.path)
    assert df.columns[:3] == ["id", "source", "body_entities"]
    assert df.schema["source"].dataType.simpleString() == "struct<url:string>"
    row = df.where("id = 1").collect()[0]
    assert row["body_redacted"] == "█████ ███ ██████ werkt bij ███████ in Eindhoven."
    assert row["source_name_redacted"] == "███████"
    assert row["body_entities_per"] == ["█████ ███ ██████"]
    assert row["body_entities_loc"] == ["Eindhoven"]
    content = b"".join(path.read_bytes() for path in Path(config.output.path).rglob("*.parquet"))
    names = [part.encode() for part in ("Frans", "Houten", "Philips")]
    assert not any(name in content for name in names)
    assert not any(name in str(df.collect()).encode() for name in names)


def test_a_person_has_one_pseudonym_in_all_documents_and_runs(spark, tmp_path, monkeypatch):
    monkeypatch.setenv("PSEUDONYMS", "of sixteen bytes")
    rows = [(i, FRANS if i % 2 else FRANS.replace(" van ", "  van\n")) for i in range(6)]
    source = str(tmp_path / "in")
    spark.createDataFrame(rows, "id int, text string").repartition(3).write.parquet(source)
    made = set()
    for number in range(2):
        config = EnrichConfig(
            input={"path": source},
            output={"path": str(tmp_path / f"out-{number}")},
            redact={"groups": ["PER"], "style": "pseudonym", "key": "env:PSEUDONYMS"},
        )
        run(spark, config)
        texts = spark.read.parquet(config.output.path).select("text_redacted").collect()
        made |= {text for (text,) in texts}
    (text,) = made
    assert re.fullmatch(r"PER_[0-9a-f]{12} werkt bij Philips in Eindhoven\.", text)
    record = next(Path(config.output.path).glob("*/_run.json")).read_text()
    assert "sixteen" not in record


def test_a_document_that_fails_has_no_redacted_text(spark, tmp_path):
    source = str(tmp_path / "in")
    rows = [(1, EMMA), (2, "Sentinella " * 10)]
    spark.createDataFrame(rows, "id int, text string").coalesce(1).write.parquet(source)
    config = EnrichConfig(
        input={"path": source},
        output={"path": str(tmp_path / "out"), "drop_text": True},
        classify={"max_document_chars": 60},
        redact=REDACT,
    )
    run(spark, config)
    rows = spark.read.parquet(config.output.path).orderBy("id").collect()
    assert [row["text_redacted"] is None for row in rows] == [False, True]
    assert rows[1]["entity_error"].startswith("longer than")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not any(b"Sentinella" in path.read_bytes() for path in files)


def test_other_redaction_is_other_settings(tmp_path, monkeypatch, spark, written):
    monkeypatch.setenv("ONE", "of sixteen bytes")
    monkeypatch.setenv("OTHER", "other 16 bytes..")
    sections = {"input": {"text_column": "body", "id_column": "id"}, "output": {"mode": "append"}}
    documents = []
    for key in ("ONE", "ONE", "OTHER"):
        config = configure(
            written,
            tmp_path,
            **{name: {**section} for name, section in sections.items()},
            run={"skip_existing": True},
            redact={"groups": ["PER"], "style": "pseudonym", "key": f"env:{key}"},
        )
        documents.append(run(spark, config).documents)
    assert documents == [3, 0, 3]


def test_flags_choose_too(spark, written, tmp_path, capfd):
    flags = ["--input.path", written, "--input.text_columns", "title,body"]
    flags += ["--output.path", str(tmp_path / "out"), "--input.where", "id < 3"]
    flags += ["--input.columns", '["id", "title", "body"]', "--classify.labels", "PER,LOC"]
    flags += ["--classify.min_score", '{"LOC": 0.2}', "--redact.groups", "PER"]
    assert main([*flags, "--run.show_documents", "2"]) == 0
    df = spark.read.parquet(str(tmp_path / "out"))
    assert df.count() == 2
    assert df.columns[:5] == ["id", "title", "body", "title_entities", "title_entities_per"]
    shown = capfd.readouterr().out
    assert "Frans van Houten PER" in shown
    assert "│ title  │ Emma woont in" in shown
    assert "│ body   │ Frans van" in shown


def test_a_condition_that_fails_on_a_text_does_not_quote_it(spark, written, tmp_path, capsys):
    flags = ["--input.path", written, "--input.text_column", "body"]
    flags += ["--output.path", str(tmp_path / "out"), "--input.where", "CAST(body AS INT) > 0"]
    assert main(flags) == 1
    said = capsys.readouterr().err
    assert "CAST_INVALID_INPUT" in said
    assert "Frans" not in said
