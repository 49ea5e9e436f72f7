"""Documents from a database and mentions into one, by JDBC: Derby, which Spark brings along."""

import json

import pytest
from py4j.protocol import Py4JJavaError

from spark_entities.jobs.enrich import main
from spark_entities.jobs.output import databases

TEXTS = ["Emma woont in Londen.", "Niets.", "Philips bouwt in Eindhoven.", None]


@pytest.fixture
def url(spark, tmp_path):
    """The address of a database in the memory of the JVM, with a table of documents."""
    properties = spark._jvm.java.lang.System
    properties.setProperty("derby.stream.error.file", str(tmp_path / "derby.log"))
    address = f"jdbc:derby:memory:{tmp_path.name}"
    rows = [(number, text) for number, text in enumerate(TEXTS)]
    documents = spark.createDataFrame(rows, "id int, text string")
    documents.write.jdbc(f"{address};create=true", "documents")
    yield address
    with pytest.raises(Py4JJavaError):  # as Derby says that a database is gone
        spark._jvm.java.sql.DriverManager.getConnection(f"{address};drop=true")


@pytest.fixture
def read(spark, url):
    def call(table="mentions"):
        rows = spark.read.jdbc(url, table).collect()
        return sorted((row["entity_run"], row["id"], row["word"]) for row in rows)

    return call


@pytest.fixture
def enrich(url, tmp_path):
    """Returns a function that runs the job from a table of the database into another."""

    def call(*flags: str, run="run-a", **source: str) -> int:
        # Two connections read the table, each a range of ids.
        parts = {"partitionColumn": "id", "lowerBound": "0", "upperBound": "4"}
        options = {"url": url, "dbtable": "documents", "numPartitions": "2", **parts} | source
        return main(
            [
                *["--input.format", "jdbc", "--input.options", json.dumps(options)],
                *["--input.id_column", "id", "--run.id", run],
                *["--output.format", "jdbc", "--output.options", json.dumps({"url": url})],
                *["--output.table", "mentions", "--output.layout", "mentions"],
                *["--output.staging_path", str(tmp_path / "stage"), *flags],
            ]
        )

    return call


FOUND = [(0, "Emma"), (0, "Londen"), (2, "Eindhoven"), (2, "Philips")]


def of(run: str):
    return [(run, *found) for found in FOUND]


def test_documents_of_a_database_become_its_mentions(spark, url, enrich, read, tmp_path, capsys):
    assert enrich() == 0
    assert "mentions, entity_run=run-a" in capsys.readouterr().out
    assert read() == of("run-a")
    rows = {row["word"]: row for row in spark.read.jdbc(url, "mentions").collect()}
    londen = rows["Londen"].asDict()
    assert (londen["entity_group"], londen["start"], londen["end"]) == ("LOC", 14, 20)
    assert londen["entity_model"].startswith("bundled@")
    assert 0.5 < londen["score"] <= 1
    assert enrich("--output.mode", "append", run="run-b") == 0
    assert read() == of("run-a") + of("run-b")
    assert enrich("--output.mode", "append", run="run-b") == 2
    assert enrich("--output.mode", "overwrite", run="run-c") == 0
    assert read() == of("run-c")
    assert enrich(run="run-d") == 2
    assert "output.table='mentions' has rows" in capsys.readouterr().err
    assert list((tmp_path / "stage").iterdir()) == []
    assert tables(spark, url) == ["DOCUMENTS", "MENTIONS"]


def tables(spark, url):
    query = "SELECT tablename FROM sys.systables WHERE tabletype = 'T'"
    read = spark.read.format("jdbc").options(url=url, query=query).load()
    return sorted(row[0] for row in read.collect())


@pytest.mark.fault("a database that does not take the rows", "a column that must not be null")
def test_a_table_that_does_not_take_the_rows_stays_as_it_was(
    spark, url, enrich, read, capsys, monkeypatch
):
    assert enrich() == 0
    real = databases.DatabaseTable._save

    def forget(self, rows, table, mode):
        real(self, rows.limit(3) if table.endswith("_staging") else rows, table, mode)

    with monkeypatch.context() as patch:
        patch.setattr(databases.DatabaseTable, "_save", forget)
        assert enrich("--output.mode", "overwrite", run="run-b") == 1
    assert "4 mentions were staged and 3 arrived in the database" in capsys.readouterr().err
    execute(spark, url, "ALTER TABLE mentions ADD CHECK (\"entity_run\" <> 'run-b')")
    assert enrich("--output.mode", "overwrite", run="run-b") == 1
    error = capsys.readouterr().err
    assert "the database did not take the rows" in error
    assert "SQLState 23513" in error
    assert "Londen" not in error
    assert read() == of("run-a")
    assert tables(spark, url) == ["DOCUMENTS", "MENTIONS"]


def execute(spark, url, statement):
    connection = spark._jvm.java.sql.DriverManager.getConnection(url)
    connection.createStatement().executeUpdate(statement)
    connection.close()


def test_what_a_database_lacks_is_told_before_any_work(spark, url, enrich, capsys):
    assert enrich(url="jdbc:derby:memory:nowhere") == 2
    assert "input.options: the database does not give this table" in capsys.readouterr().err
    assert enrich(dbtable="nothing") == 2
    assert "SQLState 42X05" in capsys.readouterr().err
    assert enrich("--output.options", '{"url": "jdbc:derby:memory:nowhere"}') == 2
    assert "output.options: the database cannot be reached" in capsys.readouterr().err
    nowhere = json.dumps({"url": url, "password": "env:NOBODY_SET_THIS"})
    assert enrich("--output.options", nowhere) == 2
    assert "password=env:NOBODY_SET_THIS refers to nothing" in capsys.readouterr().err
    execute(spark, url, "CREATE TABLE mentions (id INT)")
    assert enrich("--output.mode", "append") == 2
    assert "has no columns id, word, score" in capsys.readouterr().err


def test_a_null_character_has_a_stand_in(spark):
    (row,) = databases.storable(spark.createDataFrame([("A\0b", 1)], ["a.b", "n"])).collect()
    assert (row["a.b"], row["n"]) == ("A\ufffdb", 1)
