"""Results as tables: Parquet by name in the catalog, and formats with transactions of their own."""

import csv
import gzip
import json
import sys

import pytest

from spark_entities.jobs.enrich import main
from spark_entities.jobs.output.run_folders import RunFolders
from tests.support.ledger import Ledger


@pytest.fixture
def enrich(spark, tmp_path):
    """Returns a function that runs the job over some documents."""

    def call(*flags: str, texts=("Emma woont in Londen.", "Niets."), run="run-a") -> int:
        lines = [json.dumps({"id": row, "text": text}) for row, text in enumerate(texts)]
        (tmp_path / "in.json").write_text("\n".join(lines))
        source = ["--input.path", str(tmp_path / "in.json"), "--input.format", "json"]
        return main([*source, "--run.id", run, *flags])

    return call


@pytest.fixture
def table(spark):
    yield "mentions"
    spark.sql("DROP TABLE IF EXISTS mentions")


def runs(rows) -> list[tuple[str, int]]:
    return sorted((row["entity_run"], row["id"]) for row in rows.collect())


class TestParquetByName:
    """`output.table` with `output.path`: an external table whose partitions are the runs."""

    @pytest.fixture
    def flags(self, tmp_path, table):
        return ["--output.path", str(tmp_path / "out"), "--output.table", table]

    def test_runs_are_partitions_of_a_table_in_the_catalog(self, spark, enrich, flags, table):
        assert enrich(*flags) == 0
        assert runs(spark.table(table)) == [("run-a", 0), ("run-a", 1)]
        assert enrich(*flags, "--output.mode", "append", run="run-b") == 0
        found = spark.table(table).where("entity_run = 'run-b' AND array_size(entities_loc) = 1")
        assert runs(found) == [("run-b", 0)]
        assert spark.sql(f"SHOW PARTITIONS {table}").count() == 2

    def test_an_overwrite_leaves_one_run_and_takes_other_columns(self, spark, enrich, flags, table):
        assert enrich(*flags) == 0
        changed = ["--output.mode", "overwrite", "--classify.aggregation_strategy", "none"]
        assert enrich(*flags, *changed, texts=["Emma"], run="run-b") == 0
        assert runs(spark.table(table)) == [("run-b", 0)]
        assert "index:int" in spark.table(table).select("entities").schema.simpleString()

    def test_a_run_of_which_the_catalog_was_not_told_is_made_known_by_the_next(
        self, spark, enrich, flags, table, monkeypatch
    ):
        assert enrich(*flags) == 0
        append = ["--output.mode", "append"]
        with monkeypatch.context() as patch:
            patch.setattr(RunFolders, "_register", lambda *_: sys.exit())
            with pytest.raises(SystemExit):
                enrich(*flags, *append, run="run-b")
        assert spark.sql(f"SHOW PARTITIONS {table}").count() == 1
        assert enrich(*flags, *append, run="run-c") == 0
        assert {run for run, _ in runs(spark.table(table))} == {"run-a", "run-b", "run-c"}

    def test_the_name_of_a_table_that_lies_elsewhere_is_refused(
        self, spark, enrich, flags, table, tmp_path, capsys
    ):
        spark.range(3).write.option("path", str(tmp_path / "mine")).saveAsTable(table)
        assert enrich(*flags) == 2
        assert "output.table='mentions' is there already, and lies in" in capsys.readouterr().err
        assert spark.table(table).count() == 3
        assert not (tmp_path / "out").exists()


class TestTableFormat:
    """A format that commits by itself: its rows are seen all at once, or not at all."""

    @pytest.fixture
    def flags(self, spark, tmp_path):
        spark.dataSource.register(Ledger)
        return ["--output.path", str(tmp_path / "out"), "--output.format", "ledger"]

    def read(self, spark, tmp_path):
        return runs(spark.read.format("ledger").load(str(tmp_path / "out")))

    def test_a_run_is_one_transaction(self, spark, enrich, flags, tmp_path):
        assert enrich(*flags) == 0
        assert self.read(spark, tmp_path) == [("run-a", 0), ("run-a", 1)]
        assert enrich(*flags, "--output.mode", "append", run="run-b") == 0
        assert [run for run, _ in self.read(spark, tmp_path)] == ["run-a"] * 2 + ["run-b"] * 2
        assert enrich(*flags, "--output.mode", "overwrite", run="run-c") == 0
        assert [run for run, _ in self.read(spark, tmp_path)] == ["run-c"] * 2
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.json", "out"]

    @pytest.mark.fault("a table that does not commit", "a data source raises in its commit")
    def test_a_transaction_that_fails_leaves_the_old_rows(
        self, spark, enrich, flags, tmp_path, capsys
    ):
        assert enrich(*flags) == 0
        failing = ["--output.mode", "append", "--output.options", '{"fails": "yes"}']
        assert enrich(*flags, *failing, run="run-b") == 1
        assert self.read(spark, tmp_path) == [("run-a", 0), ("run-a", 1)]
        assert "Emma" not in capsys.readouterr().err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.json", "out"]

    def test_a_secret_of_the_writer_comes_from_elsewhere(self, enrich, flags, capsys, monkeypatch):
        options = ["--output.options", '{"token": "env:LEDGER_TOKEN"}']
        monkeypatch.delenv("LEDGER_TOKEN", raising=False)
        assert enrich(*flags, *options) == 2
        assert "token=env:LEDGER_TOKEN refers to nothing" in capsys.readouterr().err
        monkeypatch.setenv("LEDGER_TOKEN", "secret")
        assert enrich(*flags, *options) == 0

    def test_an_existing_table_needs_a_mode_that_allows_it(self, enrich, flags, capsys):
        assert enrich(*flags) == 0
        assert enrich(*flags, run="run-b") == 2
        assert "exists and output.mode is 'error'" in capsys.readouterr().err
        assert enrich(*flags, "--output.mode", "append") == 2
        assert "run.id='run-a' stands in the output already" in capsys.readouterr().err

    def test_a_batch_that_is_published_is_passed_over(self, spark, flags, tmp_path, monkeypatch):
        (tmp_path / "docs").mkdir()
        (tmp_path / "docs" / "a.json").write_text('{"id": 1, "text": "Emma"}')
        source = ["--input.path", str(tmp_path / "docs"), "--input.format", "json"]
        incremental = ["--run.mode", "incremental", "--output.mode", "append"]
        assert main([*source, *flags, *incremental]) == 0
        state = tmp_path / ".out.incremental"
        [noted] = (state / "seen").iterdir()
        noted.rename(state / "pending.json")  # as if the driver had died before it noted the batch
        assert main([*source, *flags, *incremental]) == 0
        assert [row for _, row in self.read(spark, tmp_path)] == [1]

    def test_a_table_by_name_is_staged_where_it_is_told(
        self, spark, enrich, flags, table, tmp_path
    ):
        named = ["--output.format", "ledger", "--output.table", table]
        named += ["--output.options", json.dumps({"at": str(tmp_path / "placed")})]
        assert enrich(*named, "--output.staging_path", str(tmp_path / "stage")) == 0
        placed = spark.read.format("ledger").option("at", str(tmp_path / "placed")).load()
        assert runs(placed) == [("run-a", 0), ("run-a", 1)]
        assert spark.catalog.tableExists(table)
        assert list((tmp_path / "stage").iterdir()) == []


class TestColumnsOfRuns:
    """Parquet is read by the columns of one of its files: all runs of an output have the same."""

    @pytest.fixture
    def flags(self, tmp_path):
        return ["--output.path", str(tmp_path / "out"), "--output.mode", "append"]

    def test_columns_that_others_lack_are_refused_either_way(self, spark, enrich, flags, capsys):
        assert enrich(*flags, "--classify.labels", "LOC") == 0
        assert enrich(*flags, run="run-b") == 2
        said = capsys.readouterr().err
        assert (
            "the column 'entities_per' of the result is array<string>, and missing in file:" in said
        )
        overwrite = ["--output.mode", "overwrite"]
        assert enrich(*flags, *overwrite, run="run-c") == 0
        assert enrich(*flags, "--classify.labels", "LOC", run="run-d") == 2
        said = capsys.readouterr().err
        assert (
            "the column 'entities_per' of the result is missing, and array<string> in file:" in said
        )

    @pytest.mark.parametrize("layout", ["documents", "mentions"])
    def test_what_makes_no_difference_to_readers_is_none(
        self, spark, enrich, flags, tmp_path, layout
    ):
        kind = ["--output.layout", layout, "--input.id_column", "id", "--output.partition_by"]
        assert enrich(*flags, *kind, '["id"]', texts=["Emma."]) == 0
        rows = spark.range(1).selectExpr("id", "'Emma.' AS text")  # of which none can be null
        rows.createOrReplaceTempView("never_null")
        table = ["--input.path", "", "--input.format", "parquet", "--input.table", "never_null"]
        assert enrich(*flags, *kind, '["id"]', *table, run="run-b") == 0
        assert spark.read.parquet(str(tmp_path / "out")).count() == 2

    def test_columns_and_fields_of_the_input_come_and_go(self, spark, enrich, flags, tmp_path):
        for run, more in {
            "run-a": {},
            "run-b": {"n": 1, "s": {"x": 1}},
            "run-c": {"s": {}},
        }.items():
            row = {"id": 0, "text": "Emma.", "s": {"name": "a", **more.pop("s", {})}, **more}
            (tmp_path / "in.json").write_text(json.dumps(row))
            source = ["--input.path", str(tmp_path / "in.json"), "--input.format", "json"]
            assert main([*source, *flags, "--run.id", run]) == 0
        read = spark.read.option("mergeSchema", True).parquet(str(tmp_path / "out"))
        assert sorted((row["n"] or 0, row["s"]["x"] or 0) for row in read.collect()) == [
            (0, 0),
            (0, 0),
            (1, 1),
        ]

    def test_a_run_without_files_stands_in_nobodys_way(self, enrich, flags, tmp_path):
        assert enrich(*flags) == 0
        for path in (tmp_path / "out").glob("*/*.parquet"):
            path.unlink()
        assert enrich(*flags, run="run-b") == 0


def test_a_table_is_not_read_and_replaced_at_once(spark, table, tmp_path, capsys):
    spark.createDataFrame([(1, "Emma")], "id int, text string").write.saveAsTable(table)
    flags = ["--output.format", "ledger", "--output.mode", "overwrite", "--output.table", table]
    staging = ["--output.staging_path", str(tmp_path)]
    assert main(["--input.table", table, *flags, *staging]) == 2
    assert (
        "output.table='mentions' and input.table='mentions' lie in one another"
        in capsys.readouterr().err
    )
    assert spark.table(table).count() == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output.format", "orc"], "output.format='orc' has no transactions"),
        (["--output.table", "t"], "output.table='t' without output.path"),
        (["--output.table", "t", "--output.format", "delta"], "with neither output.path nor"),
        (["--output.table", "t; DROP TABLE u", "--output.path", "x"], "output.table="),
    ],
)
def test_an_output_that_cannot_be_published_whole_is_refused(enrich, capsys, flags, message):
    assert enrich(*flags) == 2
    assert message in capsys.readouterr().err


def test_parquet_is_written_by_its_options(enrich, tmp_path):
    options = ["--output.options", '{"maxRecordsPerFile": 1}']
    assert enrich("--output.path", str(tmp_path / "out"), *options) == 0
    assert len([*(tmp_path / "out").rglob("*.parquet")]) == 2


@pytest.mark.parametrize("flags", [[], ["--output.compression", "gzip"]])
def test_json_lines_hold_what_the_engine_found(spark, tmp_path, flags):
    source = tmp_path / "in.json"
    rows = [{"id": 1, "text": "Emma\u2028woont\nin Londen."}, {"id": 2, "text": None}]
    source.write_text("\n".join(map(json.dumps, rows)))
    output = tmp_path / "out"
    common = ["--input.path", str(source), "--input.format", "json", "--output.path", str(output)]
    assert main([*common, "--output.format", "json", "--run.id", "run-a", *flags]) == 0
    (run,) = output.iterdir()
    unpack = gzip.decompress if flags else bytes
    lines = b"".join(unpack(path.read_bytes()) for path in run.glob("part-*")).splitlines()
    first, second = sorted(map(json.loads, lines), key=lambda row: row["id"])
    assert (first["text"], first["entities_per"]) == (rows[0]["text"], ["Emma"])
    assert first["entities"][0] | {"score": 1} == {
        "entity_group": "PER", "score": 1, "word": "Emma", "start": 0, "end": 4
    }  # fmt: skip
    assert (second["text"], second["entities"]) == (None, None)
    assert json.loads((run / "_run.json").read_text())["format"] == "json"
    again = [*common, "--output.mode", "append"]
    assert main([*again, "--output.format", "json", *flags]) == 0
    assert len([*output.iterdir()]) == 2
    assert main(again) == 2  # Parquet beside JSON


@pytest.mark.parametrize(
    ("rows", "flags"),
    [
        ([{"id": 1, "text": None}], ()),
        ([{"a": "Emma.", "b": None}], ("--input.text_columns", "a,b")),
        ([{"source": {"name": "Emma.", "year": None}}], ("--input.text_column", "source.name")),
    ],
)
def test_documents_in_json_are_shown_whatever_is_null_in_all_of_them(
    spark, tmp_path, capfd, rows, flags
):
    source = tmp_path / "in.json"
    source.write_text("\n".join(map(json.dumps, rows)))
    common = ["--input.path", str(source), "--input.format", "json", "--output.format", "json"]
    common += ["--output.path", str(tmp_path / "out"), "--run.show_documents", "2"]
    assert main([*common, *flags]) == 0
    said = capfd.readouterr()
    assert ("Emma" in said.out) == bool(flags)
    assert "documents    1" in said.out
    assert "shown" not in said.err


def test_a_run_that_is_published_has_not_failed_where_it_cannot_be_shown(
    enrich, tmp_path, monkeypatch, caplog
):
    for name in ("print_documents", "print_summary"):
        monkeypatch.setattr(f"spark_entities.jobs.enrich.{name}", lambda *_: [].pop())
    assert enrich("--output.path", str(tmp_path / "out"), "--run.show_documents", "1") == 0
    assert "documents of the run could not be shown (IndexError)" in caplog.text
    assert "summary of the run could not be shown (IndexError)" in caplog.text


def test_csv_of_mentions_is_read_by_others(spark, tmp_path):
    source = tmp_path / "in.json"
    source.write_text(json.dumps({"id": ' a,"b" ', "text": "Emma woont in Londen."}))
    output = tmp_path / "out"
    common = ["--input.path", str(source), "--input.format", "json", "--output.path", str(output)]
    common += ["--output.format", "csv", "--input.id_column", "id"]
    assert main([*common, "--output.layout", "mentions"]) == 0
    (path,) = output.glob("*/part-*.csv")
    with path.open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [(row["id"], row["word"], row["start"]) for row in rows] == [
        (' a,"b" ', "Emma", "0"),
        (' a,"b" ', "Londen", "14"),
    ]
    assert main(common) == 2  # documents have arrays
