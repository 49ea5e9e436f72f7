"""`spark-entities plan`: a sample is classified, nothing is written, and what it says is told."""

import json

import pytest

from spark_entities.jobs import enrich, plan
from spark_entities.jobs.config import InputSection, PlanConfig, read_config
from spark_entities.jobs.enrichment import sampling
from spark_entities.jobs.enrichment.sampling import survey

TEXTS = ["Emma woont in Londen.", "Philips in Eindhoven.", None, ""]
ROWS = [{"id": n, "text": TEXTS[n % 4], "title": f"nr. {n}"} for n in range(400)]


@pytest.fixture
def flags(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text("\n".join(map(json.dumps, ROWS)))
    return ["--input.path", str(tmp_path / "in"), "--input.format", "json"]


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    """No sample need take long."""
    monkeypatch.setattr(sampling, "_ENOUGH_SECONDS", 0.0)


def lines(told):
    """Read the figures that were told, by their names."""
    rows = [line.split("  ", 1) for line in told.splitlines() if "  " in line]
    return {name.strip(): value.strip() for name, value in rows}


def test_a_plan_tells_what_a_run_will_take_and_writes_nothing(spark, tmp_path, capsys, flags):
    wished = ("--plan.hours", "1", "--plan.price_per_hour", "2.5", "--plan.sample", "100")
    assert plan.main([*flags, *wished]) == 0
    told = lines(capsys.readouterr().out)
    assert told["documents"] == "400"
    assert told["cost"].endswith(" at 2.5 an hour for each executor")
    assert told["executors"] == "1, 2 tasks at once"
    assert told["within 1.0 h"] == "1 executors"
    assert told["partitions"] == "1 are advised, 1 there"
    assert {"tokens", "duration", "core hours", "energy"} <= told.keys()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_the_tokens_of_a_plan_are_those_of_the_run(spark, tmp_path, capsys, flags):
    """The sample is the whole table here, but for what stands there twice."""
    estimate = plan.plan(spark, read_config([*flags, "--plan.sample", "400"], PlanConfig))
    assert estimate.sample.documents == 4
    assert enrich.main([*flags, "--output.path", str(tmp_path / "out")]) == 0
    told = lines(capsys.readouterr().out)
    assert told["tokens"].split()[0] == f"{estimate.num_tokens:,.0f}"


def test_a_survey_counts_texts_of_all_columns_and_those_that_are_alike(spark, flags):
    config = read_config([*flags, "--input.text_columns", '["text", "title"]'], PlanConfig)
    documents = spark.createDataFrame(ROWS, "id int, text string, title string").coalesce(1)
    table = survey(documents, config.input)
    assert (table.documents, table.texts) == (400, 700)  # a null is no text
    assert table.chars == sum(len(row["text"] or "") + len(row["title"]) for row in ROWS)
    assert table.distinct == pytest.approx(403, rel=0.05)
    assert (table.partitions, table.is_spread) == (6, True)  # three a slot


def test_nulls_are_no_copies_of_a_text(spark):
    rows = [(f"Emma {n} woont." if n < 100 else None, None) for n in range(400)]
    documents = spark.createDataFrame(rows, "title string, more string")
    table = survey(documents, InputSection(text_columns=["title", "more"]))
    assert (table.documents, table.texts) == (400, 100)
    assert table.model_share(10_000) == pytest.approx(1, rel=0.05)


def test_rows_that_are_not_chosen_are_not_planned_for(spark, capsys, flags):
    assert plan.main([*flags, "--input.where", "id < 10", "--input.limit", "5"]) == 0
    assert lines(capsys.readouterr().out)["documents"] == "5"


def test_documents_that_a_run_would_pass_over_are_not_planned_for(spark, tmp_path, capsys, flags):
    given = [*flags, "--input.id_column", "id", "--output.path", str(tmp_path / "out")]
    assert enrich.main([*given, "--input.where", "id < 300"]) == 0
    given += ["--output.mode", "append", "--run.skip_existing", "true"]
    capsys.readouterr()
    assert plan.main(given) == 0
    assert lines(capsys.readouterr().out)["documents"] == "100"
    assert plan.main([*given, "--input.where", "id < 300"]) == 2
    assert "has no text that the output lacks: there is nothing to plan" in capsys.readouterr().err


def test_a_table_without_text_is_refused(spark, capsys, flags):
    assert plan.main([*flags, "--input.where", "text is null"]) == 2
    assert "has no text: there is nothing to plan" in capsys.readouterr().err


def test_a_client_of_spark_connect_is_refused_for_what_it_does_not_see(capsys, flags):
    assert plan.main([*flags, "--spark.master", "sc://nowhere"]) == 2
    said = capsys.readouterr().err
    assert "is a Spark Connect server, whose clients see neither executors nor their tasks" in said
    assert "renaming" not in said


def test_a_missing_column_is_refused_in_the_words_of_enrich(spark, tmp_path, capsys, flags):
    wrong = [*flags, "--input.text_column", "body"]
    assert plan.main(wrong) == 2
    said = capsys.readouterr().err
    assert enrich.main([*wrong, "--output.path", str(tmp_path / "out")]) == 2
    assert said == capsys.readouterr().err != ""
