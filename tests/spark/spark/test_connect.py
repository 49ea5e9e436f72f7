"""Spark Connect: a client without a JVM, and the server that pip's PySpark brings."""

import pytest

from spark_entities import TokenClassifier
from spark_entities.jobs.enrich import main
from tests.support.connect_server import connect_server
from tests.support.connected import TEXTS
from tests.support.notebooks import execute, read, shown
from tests.support.processes import run_module


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with connect_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="module")
def seen(server):
    return run_module("tests.support.connected", server)


def test_the_client_has_no_java(seen):
    assert seen["java"] is False


@pytest.mark.parametrize("kind", ["pandas", "arrow", "sql"])
def test_the_udf_gives_the_rows_of_the_engine(seen, kind):
    rows = TokenClassifier.load(device="cpu").classify(TEXTS).to_pylist()
    for row in rows:
        row["metrics"] = None
        for entity in row["entities"] or []:
            entity["score"] = pytest.approx(entity["score"], abs=1e-5)
    assert seen["rows"][kind] == rows


def test_check_tells_what_a_client_can_see(seen):
    model, windows, device, table = seen["check"]
    assert model.startswith("model: bundled@")
    assert windows == "windows: end to end on GPUs, padded on CPUs"
    assert device.startswith("device: cpu on ")
    assert table == "input: spark_catalog.default.documents, whose partitions no client sees"


def test_a_run_is_refused_and_says_what_to_do(seen):
    assert "spark_entities.enrich(df, config)" in seen["refusal"]


def test_a_run_is_refused_before_it_connects(monkeypatch, capsys):
    where = ["--input.table", "a", "--output.path", "b"]
    assert main([*where, "--spark.master", "sc://nowhere.invalid/;token=hush"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("refused: spark.master=sc://… is a Spark Connect server, whose clients")
    assert "hush" not in said
    monkeypatch.setenv("SPARK_REMOTE", "sc://nowhere.invalid")
    assert main(where) == 2
    said = capsys.readouterr().err
    assert said.startswith("refused: SPARK_REMOTE is a Spark Connect server, whose clients cannot")
    assert main([*where, "--spark.master", "local[2]"]) == 2
    assert "name two places to run at" in capsys.readouterr().err


def test_the_databricks_notebook_adds_runs_to_its_tables(seen):
    for outcome in seen["notebook"]:
        assert f"{len(TEXTS)} documents, of which 0 failed" in outcome["printed"]
        (names,) = outcome["shown"]
        place = names["word"].index("Emma")
        assert (names["entity_group"][place], names["documents"][place]) == ("PER", 2)
    assert seen["columns"][:3] == ["id", "text", "entities"]
    assert seen["entities"] == 2 * len(TEXTS)
    assert seen["mentions"]["word"] == ["Emma", "Londen"] * 2
    assert len(set(seen["mentions"]["entity_run"])) == 2


def test_a_run_of_the_databricks_notebook_that_is_tried_again_doubles_no_row(seen):
    first, after_a_loss, last = (each["printed"] for each in seen["tried"]["tries"])
    assert "already" not in first
    assert after_a_loss.count("has the rows of job-7 already") == 1
    assert last.count("has the rows of job-7 already") == 2
    documents, mentions = seen["tried"]["rows"]
    assert documents == len(TEXTS)
    assert mentions == sum(len(row["entities"] or []) for row in seen["rows"]["pandas"])
    shown = [each["shown"] for each in seen["tried"]["tries"]]
    assert shown[0] == shown[1] == shown[2]


def test_the_databricks_notebook_replaces_its_table(seen):
    assert seen["entities_then"] == len(TEXTS)


def test_the_guide_says_what_works(seen):
    assert "Londen" in seen["guide"]["printed"]
    assert seen["guide"]["rows"] == 1


@pytest.mark.slow
def test_the_quickstart_notebook_runs_on_a_server_too(server):
    assert shown(execute(SPARK_REMOTE=server)) == shown(read())
