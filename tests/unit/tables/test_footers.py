import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_entities.jobs import check, command, enrich
from spark_entities.jobs.config import InputSection, SparkSection
from spark_entities.jobs.tables.footers import read_columns

ROWS = {"id": [1], "text": ["Emma."], "at": [dt.datetime(2026, 1, 1)], "source": [{"name": "a"}]}


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    """No session is there, and no Spark is configured on this machine."""
    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)
    for name in ("HADOOP_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "SPARK_CONF_DIR", "SPARK_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table(ROWS), tmp_path / "in" / "a.parquet", coerce_timestamps="us")
    (tmp_path / "in" / "_SUCCESS").touch()
    return tmp_path / "in"


def columns(path, spark=(), **given):
    return read_columns(InputSection(path=str(path), **given), SparkSection(**dict(spark)))


@pytest.mark.parametrize("path", ["{}", "{}/a.parquet", "{}/*.parquet", "file:{}", "file://{}/"])
def test_the_columns_of_a_footer_are_those_of_the_table(folder, path):
    told = columns(path.format(folder))
    assert told.simpleString() == (
        "struct<id:bigint,text:string,at:timestamp,source:struct<name:string>>"
    )


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("{}/none", {}),
        ("{}/{{a,b}}.parquet", {}),
        ("hdfs:{}", {}),
        ("{}", {"format": "json"}),
        ("{}", {"options": {"mergeSchema": "true"}}),
        ("{}", {"spark": {"master": "yarn"}}),
        ("{}", {"spark": {"config": {"spark.hadoop.fs.defaultFS": "hdfs://a"}}}),
        ("{}", {"spark": {"config": {"spark.sql.parquet.mergeSchema": "true"}}}),
    ],
)
def test_what_spark_may_read_in_another_way_is_left_to_it(folder, path, given):
    assert columns(folder) is not None
    assert columns(path.format(folder), **given) is None


@pytest.mark.parametrize("name", ["SPARK_CONF_DIR", "SPARK_REMOTE"])
def test_a_spark_that_is_configured_elsewhere_is_left_to_itself(folder, monkeypatch, name):
    monkeypatch.setenv(name, "somewhere")
    assert columns(folder) is None


@pytest.mark.parametrize(
    "column",
    [
        {"TEXT": pa.array(["a"])},
        {"more": pa.array([b"a"])},
        {"more": pa.array([1], pa.timestamp("ns"))},
        {"more": pa.array([1], pa.uint8())},
        {"more": pa.array([[b"a"]])},
        {"more": pa.array([None])},
    ],
)
def test_columns_that_spark_may_see_as_others_are_left_to_it(tmp_path, column):
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    assert columns(tmp_path / "a.parquet").names == ["text"]
    pq.write_table(pa.table({"text": ["a"], **column}), tmp_path / "a.parquet")
    assert columns(tmp_path / "a.parquet") is None


@pytest.mark.parametrize("name", ["month=05/b.parquet", "sub/b.parquet", "_metadata", "k=v"])
def test_a_folder_of_more_than_plain_files_is_left_to_spark(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).touch()
    assert columns(folder) is None


def test_a_file_that_is_no_parquet_is_left_to_spark(folder):
    (folder / "a.parquet").write_text("no Parquet")
    assert columns(folder) is None


@pytest.mark.parametrize("program", [check, enrich])
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--input.text_column", "body"], "Its columns: id, text, at, source."),
        (["--input.text_column", "id"], "is of type bigint, not string."),
        (["--output.partition_by", '["at"]'], "of type timestamp. Its values name folders"),
        ([], "Java is missing"),
    ],
)
def test_a_column_is_refused_before_java_is_wanted(
    folder, monkeypatch, capsys, program, flags, words
):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    given = ["--input.path", str(folder), "--output.path", f"{folder}-out", *flags]
    assert program.main(given) == command.REFUSED
    assert words in capsys.readouterr().err
