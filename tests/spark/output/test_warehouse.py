"""What docs/warehouse.md says: its SQL in two engines, its layouts, its partitions."""

import json
import re
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.enrich import main
from spark_entities.jobs.output.mentions import count_mentions, make_mentions
from spark_entities.jobs.tables.result_columns import ResultColumns
from spark_entities.udfs.errors import PublishError

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "warehouse.md").read_text("utf-8")
PLACE = "build/enriched"


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    return [block.strip() for block in found]


def statements(language: str, place: Path) -> list[str]:
    """Statements that make the views of one engine, over what a test has written."""
    (block,) = blocks(f"sql {language}")
    assert PLACE in block
    return [each for each in block.replace(PLACE, str(place)).split(";") if each.strip()]


QUESTIONS = [query.rstrip(";") for query in blocks("sql")]


@pytest.fixture(scope="module")
def enriched(spark, tmp_path_factory):
    """The demo's documents with dates, in two runs; one document is too long, and fails."""
    folder = tmp_path_factory.mktemp("warehouse")
    lines = (ROOT / "conf" / "demo-documents.jsonl").read_text("utf-8").splitlines()
    for number, line in enumerate(lines):
        document = json.loads(line) | {"published": f"2026-{1 + number % 3:02}-15"}
        lines[number] = json.dumps(document | {"month": document["published"][:7]})
    (folder / "in.json").write_text("\n".join(lines))
    source = ["--input.path", str(folder / "in.json"), "--input.format", "json"]
    for run, longest in {"run-a": "1000", "run-b": "100000"}.items():
        flags = ["--run.id", run, "--classify.max_document_chars", longest]
        flags += ["--output.mode", "append", "--output.partition_by", '["month"]']
        assert main([*source, *flags, "--output.path", str(folder / "out")]) == 0
    return folder


@pytest.fixture(scope="module")
def engines(spark, enriched):
    """Functions that answer a query, in Spark SQL and in DuckDB."""
    for statement in statements("spark", enriched / "out"):
        spark.sql(statement)
    connection = duckdb.connect()
    for statement in statements("duckdb", enriched / "out"):
        connection.execute(statement)
    yield (
        lambda query: [tuple(row) for row in spark.sql(query).collect()],
        lambda query: connection.execute(query).fetchall(),
    )
    connection.close()
    for view in ("mentions", "documents"):
        spark.catalog.dropTempView(view)


@pytest.mark.parametrize("question", QUESTIONS)
def test_two_engines_give_one_answer(engines, question):
    answers = [[tuple(map(plain, row)) for row in ask(question)] for ask in engines]
    assert answers[0] == answers[1]
    assert answers[0]


def plain(value: object) -> object:
    """A value that does not tell which engine it is from."""
    return float(value) if isinstance(value, Decimal) else value


def test_the_answers_are_those_of_the_demo(engines):
    ask, _ = engines
    together = ask(QUESTIONS[1])
    assert ("doc-002", "2026-02-15") in together
    contexts = dict(ask(next(query for query in QUESTIONS if "context" in query)))
    assert "Eindhoven" in contexts["doc-002"]
    shares = ask(next(query for query in QUESTIONS if "failed_percent" in query))
    assert [(run, failed > 0) for run, _, failed, _ in shares] == [
        ("run-a", True),
        ("run-b", False),
    ]


def test_files_of_a_run_are_parted_by_a_column(enriched):
    found = sorted(str(path.parent.relative_to(enriched)) for path in enriched.rglob("*.parquet"))
    months = [f"month=2026-{month:02}" for month in (1, 2, 3)]
    assert sorted(set(found)) == [
        f"out/entity_run=run-{r}/{month}" for r in "ab" for month in months
    ]


@pytest.mark.parametrize(
    ("parts", "flags", "message"),
    [
        ('["nothing"]', [], "output.partition_by='nothing' is not a column"),
        ('["text"]', [], "'text', a column of type string with the texts"),
        ("[]", [], "output.partition_by=[], but"),
        ('["month"]', ["--output.layout", "mentions"], "output.layout='mentions', but"),
    ],
)
def test_a_run_that_lies_in_another_way_is_refused(enriched, capsys, parts, flags, message):
    source = ["--input.path", str(enriched / "in.json"), "--input.format", "json"]
    source += ["--input.id_column", "id", "--output.mode", "append"]
    parted = ["--output.partition_by", parts, "--output.path", str(enriched / "out")]
    assert main([*source, *parted, *flags]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def mentions(tmp_path):
    """Returns a function that writes mentions of some texts, by Parquet."""

    def call(*texts: str, flags=()) -> int:
        rows = [{"key": n, "month": "m", "text": text} for n, text in enumerate(texts)]
        (tmp_path / "in.json").write_text("\n".join(map(json.dumps, rows)))
        source = ["--input.path", str(tmp_path / "in.json"), "--input.format", "json"]
        layout = ["--output.layout", "mentions", "--input.id_column", "key", "--run.id", "run-a"]
        return main([*source, *layout, "--output.path", str(tmp_path / "out"), *flags])

    return call


QUARANTINE = ["--errors.policy", "quarantine", "--classify.max_document_chars", "60"]


def test_mentions_have_a_row_each_and_failed_documents_are_kept_apart(spark, mentions, tmp_path):
    apart = [*QUARANTINE, "--errors.quarantine_path", str(tmp_path / "bad")]
    texts = ["Emma woont in Londen. Emma!", "Niets.", "Te lang. " * 10]
    assert mentions(*texts, flags=[*apart, "--output.partition_by", '["month"]']) == 0
    result = spark.read.parquet(str(tmp_path / "out"))
    names = "key entity_group score word start end entity_model entity_run month"
    assert result.columns == names.split()
    rows = result.select("key", "word", "start", "end", "month").orderBy("start").collect()
    assert [tuple(row) for row in rows] == [
        (0, "Emma", 0, 4, "m"),
        (0, "Londen", 14, 20, "m"),
        (0, "Emma", 22, 26, "m"),
    ]
    assert [row["key"] for row in spark.read.parquet(str(tmp_path / "bad")).collect()] == [2]
    record = json.loads((tmp_path / "out" / "entity_run=run-a" / "_run.json").read_text())
    assert [record[key] for key in ("documents", "failed", "mentions")] == [3, 1, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "in.json", "out"]


def test_a_result_without_a_mention_has_its_columns(spark, mentions, tmp_path):
    assert mentions("Niets.", flags=["--output.partition_by", '["month"]']) == 0
    result = spark.read.parquet(str(tmp_path / "out"))
    assert result.count() == 0
    assert {"key", "word", "month", "entity_run"} <= {*result.columns}


def test_the_yaml_of_the_guide_is_a_configuration():
    import yaml

    found = [yaml.safe_load(block) for block in blocks("yaml")]
    assert len(found) == 3
    for sections in found:
        EnrichConfig(**sections)


def test_mentions_that_went_missing_are_not_published(spark):
    kind = "id int, entities array<struct<word string>>, entity_model string"
    documents = spark.createDataFrame([(1, [("a",), ("b",)], "m"), (2, None, "m")], kind)
    columns = ResultColumns.of(EnrichConfig(), [])
    mentions = make_mentions(documents, columns, ["id"])
    assert count_mentions(documents, columns, mentions) == 2
    with pytest.raises(PublishError, match="2 mentions were found and 1 written"):
        count_mentions(documents, columns, mentions.limit(1))


@pytest.mark.fault("a value that names no folder", "an empty string, and the folder of null")
@pytest.mark.parametrize("value", ["", "__HIVE_DEFAULT_PARTITION__"])
def test_a_value_that_would_be_read_as_null_is_not_published(tmp_path, capsys, value):
    rows = [{"text": "Emma.", "month": month} for month in ("05", value, None)]
    (tmp_path / "in.json").write_text("\n".join(map(json.dumps, rows)))
    flags = ["--input.path", str(tmp_path / "in.json"), "--input.format", "json"]
    flags += ["--output.path", str(tmp_path / "out"), "--output.partition_by", '["month"]']
    assert main(flags) == 1
    assert "names 'month', which is empty in some documents" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "in.json").write_text("\n".join(map(json.dumps, rows[::2])))
    assert main(flags) == 0
