import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F
from safetensors.numpy import load_file, save_file

from spark_entities.jobs.config import EnrichConfig, OutputSection
from spark_entities.jobs.enrich import enrich, main, run
from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.output.publish import find_output, stage
from spark_entities.jobs.output.run_record import new_run_id
from spark_entities.jobs.tables.result_columns import ResultColumns
from spark_entities.udfs.checkpoint import BUNDLED_FOLDER
from spark_entities.udfs.entities_udf import fastest_kind
from spark_entities.udfs.errors import ConfigError, PublishError

EMMA = "Mijn naam is Emma en ik woon in Londen."
ADDED = [
    "entities",
    "entities_per",
    "entities_org",
    "entities_loc",
    "entities_misc",
    "entity_error",
    "entity_model",
    "entity_run",
]


@pytest.fixture
def documents(tmp_path):
    """A JSON file of documents; returns a function that writes it and makes its configuration."""

    def write(texts, **sections):
        path = tmp_path / "documents.json"
        lines = [json.dumps({"id": i, "text": text}) for i, text in enumerate(texts)]
        path.write_text("\n".join(lines))
        return EnrichConfig(
            input={"path": str(path), "format": "json", **sections.pop("input", {})},
            output={"path": str(tmp_path / "out"), **sections.pop("output", {})},
            **sections,
        )

    return write


def test_every_row_that_enters_leaves_with_its_entities(spark, documents):
    texts = [EMMA, None, "", "Gewoon een regen­dag.", EMMA, f"{EMMA} " * 120]
    config = documents(texts)
    summary = run(spark, config)
    rows = spark.read.parquet(config.output.path).orderBy("id").collect()
    assert [row["text"] for row in rows] == texts
    first, null, empty = rows[:3]
    places = [(e["entity_group"], e["start"], e["end"]) for e in first["entities"]]
    assert places == [("PER", 13, 17), ("LOC", 32, 38)]
    assert (first["entities_per"], first["entities_loc"]) == (["Emma"], ["Londen"])
    assert (null["entities"], null["entities_per"], null["entity_error"]) == (None, None, None)
    assert (empty["entities"], empty["entities_per"], empty["entity_error"]) == ([], [], None)
    for row in rows:
        for entity in row["entities"] or []:
            assert row["text"][entity["start"] : entity["end"]] == entity["word"]
    assert rows[5]["entities"][-1]["start"] > 3500
    assert rows[5]["entities_per"] == ["Emma"]
    assert (summary.documents, summary.failed, summary.num_windows) == (6, 0, 7)
    assert len(rows[5]["entities"]) == 2 * 120
    assert (summary.entities["PER"], summary.entities["LOC"]) == (122, 122)
    assert summary.result.endswith(f"/out/entity_run={rows[0]['entity_run']}")


def test_spark_sql_slices_the_text_as_python_does(spark, documents):
    config = documents(["👩\u200d👧 Emma woont in Zürich, zegt Frans van Houten."])
    run(spark, config)
    mentions = spark.read.parquet(config.output.path).select("text", F.inline("entities"))
    slices = mentions.selectExpr("substring(text, start + 1, end - start) = word AS equal")
    assert [row["equal"] for row in slices.collect()] == [True] * mentions.count()
    assert mentions.count() > 0


@pytest.mark.parametrize("texts", [[EMMA], ["Niets."], [None]])
def test_the_schema_does_not_depend_on_the_data(spark, tmp_path, texts):
    source = str(tmp_path / "in")
    rows = [(index, text) for index, text in enumerate(texts)]
    spark.createDataFrame(rows, "id int, text string").coalesce(1).write.parquet(source)
    config = EnrichConfig(input={"path": source}, output={"path": str(tmp_path / "out")})
    summary = run(spark, config)
    (part,) = Path(summary.result.removeprefix("file:")).glob("part-*.parquet")
    assert pq.read_schema(part).names == ["id", "text", *ADDED[:-1]]
    assert part.name.endswith(".zstd.parquet")
    assert spark.read.parquet(config.output.path).columns == ["id", "text", *ADDED]


def test_enrich_only_plans(spark):
    df = spark.createDataFrame([(EMMA, 1)], "text string, `odd.name` int")
    planned = enrich(df, EnrichConfig(run={"id": "run-a"}))
    assert planned.columns == ["text", "odd.name", *ADDED]
    (row,) = planned.collect()
    assert row["entity_run"] == "run-a"
    assert row["entity_model"].startswith("bundled@")


def test_the_job_takes_the_fastest_kind_of_udf(spark):
    planned = enrich(spark.createDataFrame([("Emma",)], "text string"), EnrichConfig())
    text = planned._jdf.queryExecution().executedPlan().toString()
    assert text.count(f"{fastest_kind(spark)}_entities(") == 1


def test_strategy_none_gives_labelled_tokens(spark):
    df = spark.createDataFrame([(EMMA,)], "text string")
    (row,) = enrich(df, EnrichConfig(classify={"aggregation_strategy": "none"})).collect()
    assert [list(e.asDict()) for e in row["entities"]] == [
        ["entity", "score", "index", "word", "start", "end"]
    ] * len(row["entities"])
    places = [(e["entity"], e["start"], e["end"]) for e in row["entities"]]
    assert places == [("B-PER", 13, 17), ("B-LOC", 32, 36), ("I-LOC", 36, 38)]
    assert row["entities_per"] == ["Emma"]


def test_columns_of_a_table_by_name_are_enriched(spark, tmp_path):
    spark.createDataFrame([(EMMA,)], "body string").createOrReplaceTempView("mail")
    config = EnrichConfig(
        input={"table": "mail", "text_column": "body"}, output={"path": str(tmp_path / "out")}
    )
    assert run(spark, config).documents == 1


@pytest.mark.parametrize("form", ["csv", "orc", "text"])
def test_other_formats_are_read_with_their_options(spark, tmp_path, form):
    df = spark.createDataFrame([(EMMA,), ("Anna",)], "text string")
    source = str(tmp_path / "in")
    df.write.format(form).options(header="true").save(source)
    options = {"header": "true"} if form == "csv" else {}
    config = EnrichConfig(
        input={"path": source, "format": form, "options": options},
        output={"path": str(tmp_path / "out")},
    )
    run(spark, config)
    rows = spark.read.parquet(config.output.path).select("text").collect()
    assert sorted(row["text"] for row in rows) == ["Anna", EMMA]


def test_an_empty_table_is_published_too(spark, tmp_path):
    source = str(tmp_path / "in")
    spark.createDataFrame([], "text string").write.parquet(source)
    config = EnrichConfig(input={"path": source}, output={"path": str(tmp_path / "out")})
    assert run(spark, config).documents == 0
    assert spark.read.parquet(config.output.path).columns == ["text", *ADDED]


def test_append_adds_a_run_and_overwrite_replaces_all(spark, documents):
    run(spark, documents([EMMA], run={"id": "run-a"}))
    run(spark, documents([EMMA], run={"id": "run-b"}, output={"mode": "append"}))
    runs = spark.read.parquet(documents([]).output.path).select("entity_run")
    assert sorted(row["entity_run"] for row in runs.collect()) == ["run-a", "run-b"]
    run(spark, documents([EMMA], run={"id": "run-c"}, output={"mode": "overwrite"}))
    runs = spark.read.parquet(documents([]).output.path).select("entity_run")
    assert [row["entity_run"] for row in runs.collect()] == ["run-c"]


def test_nothing_is_left_beside_a_published_result(spark, documents, tmp_path):
    run(spark, documents([EMMA]))
    run(spark, documents([EMMA], output={"mode": "overwrite"}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["documents.json", "out"]


def test_an_overwrite_that_died_between_its_renames_is_undone(spark, documents, tmp_path):
    run(spark, documents([EMMA], run={"id": "run-a"}))
    (tmp_path / "out").rename(tmp_path / ".out.replaced-run-b")
    with pytest.raises(ConfigError, match=r"exists and output\.mode is 'error'"):
        run(spark, documents([EMMA]))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["entity_run=run-a"]


@pytest.mark.parametrize(
    ("schema", "config", "message"),
    [
        ("body string", {}, r"input\.text_column='text' is not a column .*: body\. Set"),
        ("text int", {}, r"input\.text_column='text' is of type int, not string"),
        ("text string, Entities int", {}, r"already has the columns Entities, .*Rename"),
        ("text string, entity_run int", {}, r"already has the columns entity_run"),
    ],
)
def test_columns_that_do_not_fit_are_refused(spark, schema, config, message):
    with pytest.raises(ConfigError, match=message):
        enrich(spark.createDataFrame([], schema), EnrichConfig(**config))


@pytest.mark.parametrize("output", ["in", "in/out", "in/../in"])
def test_an_output_within_the_input_is_refused(spark, tmp_path, output):
    source = tmp_path / "in"
    spark.createDataFrame([(EMMA,)], "text string").write.parquet(str(source))
    config = EnrichConfig(
        input={"path": str(source)}, output={"path": str(tmp_path / output), "mode": "overwrite"}
    )
    with pytest.raises(ConfigError, match=r"output\.path=.* lie in one another .* Choose another"):
        run(spark, config)
    assert spark.read.parquet(str(source)).count() == 1


def test_a_run_is_not_appended_to_other_things(spark, documents, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="holds other things than runs"):
        run(spark, documents([EMMA], output={"mode": "append"}))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--classify.strid", "5"], "classify.strid is an unknown key"),
        (
            ["--classify.stride", "510"],
            "stride=510, window=510 tokens. Set classify.stride to 0..5",
        ),
        (["--input.text_column", "body"], "input.text_column='body' is not a column"),
        (["--input.path", "/no/such/file"], "input.path='/no/such/file' cannot be read"),
        (["--model.name", "/no/such/model"], "model.name='/no/such/model' is not a folder"),
        (["--output.path", ""], "output.path is missing"),
    ],
)
def test_a_mistake_ends_with_status_2(spark, documents, capsys, flags, message):
    config = documents([EMMA])
    common = ["--input.path", config.input.path, "--input.format", "json"]
    assert main([*common, "--output.path", config.output.path, *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_text_column_that_is_no_string_ends_with_status_2(spark, tmp_path, capsys):
    source = str(tmp_path / "in")
    spark.range(3).withColumnRenamed("id", "text").write.parquet(source)
    assert main(["--input.path", source, "--output.path", str(tmp_path / "out")]) == 2
    assert "input.text_column='text' is of type bigint, not string" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["in", "in/out"])
def test_an_output_within_the_input_ends_with_status_2(spark, tmp_path, capsys, output):
    source = str(tmp_path / "in")
    spark.createDataFrame([(EMMA,)], "text string").write.parquet(source)
    flags = ["--output.path", str(tmp_path / output), "--output.mode", "overwrite"]
    assert main(["--input.path", source, *flags]) == 2
    assert "Choose another output.path" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lost", "message"),
    [("model.safetensors", "has no model.safetensors"), ("classifier", "has no classifier head")],
)
def test_a_checkpoint_that_cannot_be_trusted_ends_with_status_2(tmp_path, capsys, lost, message):
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED_FOLDER, folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    if lost == "classifier":
        encoder = {name: value for name, value in weights.items() if not name.startswith(lost)}
        save_file(encoder, folder / "model.safetensors", metadata={"format": "pt"})
    flags = ["--input.path", "x", "--output.path", "y", "--model.name", str(folder)]
    assert main(flags) == 2
    assert message in capsys.readouterr().err


def test_an_existing_output_needs_a_mode_that_allows_it(spark, documents, capsys, tmp_path):
    config = documents([EMMA])
    (tmp_path / "out").mkdir()
    flags = ["--input.path", config.input.path, "--input.format", "json"]
    assert main([*flags, "--output.path", config.output.path]) == 2
    assert "Set output.mode to 'append'" in capsys.readouterr().err


def test_an_overwrite_that_cannot_take_its_place_puts_the_old_one_back(
    spark, documents, tmp_path, monkeypatch
):
    run(spark, documents([EMMA], run={"id": "run-a"}))
    rename = FileSystem.rename

    def fail_on_staging(self: FileSystem, source: str, target: str) -> None:
        if "staging" in source:
            raise PublishError("no room")
        rename(self, source, target)

    monkeypatch.setattr(FileSystem, "rename", fail_on_staging)
    with pytest.raises(PublishError, match="no room"):
        run(spark, documents([EMMA], output={"mode": "overwrite"}))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["entity_run=run-a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["documents.json", "out"]


def test_a_result_that_is_refused_leaves_nothing_behind(spark, tmp_path):
    df = spark.createDataFrame([("x", "run-a")], "text string, entity_run string")
    output = find_output(
        spark, OutputSection(path=str(tmp_path / "out")), ResultColumns.of(EnrichConfig(), [])
    )
    with output.hold("run-a") as held:
        with (
            pytest.raises(PublishError, match="1 rows refused"),
            stage(df, held, "run-a") as staged,
        ):
            raise PublishError(f"{staged.documents.count()} rows refused")
        assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]


def test_run_ids_begin_with_a_letter_and_differ():
    first, second = new_run_id(), new_run_id()
    assert first != second
    assert first[0].isalpha()
