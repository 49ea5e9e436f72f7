"""What is told of Parquet files before Spark starts is what Spark reads of them, or nothing."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from spark_entities.jobs.config import InputSection, SparkSection
from spark_entities.jobs.tables import footers

ROWS = {
    "text": ["a"],
    "no string": [1.5],
    "Day": [dt.date(2026, 1, 1)],
    "a.b": [[{"x": [True]}]],
    "small": pa.array([1], pa.int8()),
    "price": [Decimal("1.50")],
    "large": pa.array(["a"], pa.large_string()),
    "source": [{"name": "a", "at": dt.datetime(2026, 1, 1)}],
    "by key": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())),
}


def read_both(spark, monkeypatch, path):
    monkeypatch.setattr(footers, "is_plain", lambda section: True)
    told = footers.read_columns(InputSection(path=str(path)), SparkSection())
    seen = spark.read.parquet(str(path)).schema
    return told.simpleString(), seen.simpleString().replace("timestamp_ntz", "timestamp")


def test_types_of_arrow_are_those_that_spark_reads(spark, tmp_path, monkeypatch):
    pq.write_table(pa.table(ROWS), tmp_path / "a.parquet", coerce_timestamps="us")
    told, seen = read_both(spark, monkeypatch, tmp_path / "a.parquet")
    assert told == seen


def test_types_that_spark_has_written_are_those_that_it_reads(spark, tmp_path, monkeypatch):
    names = "1 AS id, 'a' AS text, now() AS at, localtimestamp() AS there, date '2026-01-01' AS day"
    spark.sql(f"SELECT {names}, array(struct('b' AS c)) AS more").write.parquet(f"{tmp_path}/in")
    told, seen = read_both(spark, monkeypatch, tmp_path / "in")
    assert told == seen


def test_of_many_files_the_one_that_spark_asks_is_asked(spark, tmp_path, monkeypatch):
    folders = "ab", "a_", "A", "a"
    for folder in folders:
        for name in ("b", "a-1", "a", "B", "_c", ".d"):
            path = tmp_path / folder / f"{name}.parquet"
            path.parent.mkdir(exist_ok=True)
            pq.write_table(pa.table({f"{folder} {name}": ["text"]}), path)
    for path in (*folders, "*", "a*", "*/?.parquet", "a/*"):
        told, seen = read_both(spark, monkeypatch, tmp_path / path)
        assert told == seen, path
