"""Columns of every type that Spark reads from Parquet travel through a run as they are."""

import pytest
from pyspark.sql import types as T

from spark_entities.jobs.config import read_config
from spark_entities.jobs.enrich import main, run

VALUES = {
    "number": "cast(12345678901234567890.0123456789 as decimal(38, 10))",
    "no_zone": "timestamp_ntz'2020-02-29 23:59:59.999999'",
    "moment": "timestamp'1899-12-31 12:00:00.000001'",
    "day": "date'1500-01-01'",
    "anything": """parse_json('{"a": [1, null, "é"], "b": {}}')""",
    "pairs": "map('a', 1, 'b', null)",
    "nested": "named_struct('x', 1, 'y', array(null, named_struct('z', 'é')))",
    "months": "interval '1-2' year to month",
    "seconds": "interval '3 04:05:06.789' day to second",
    "collated": "'Ä' collate UNICODE_CI",
    "bytes": "unhex('00FF61')",
    "truth": "false",
    "tiny": "cast(-128 as tinyint)",
    "small": "cast(32767 as smallint)",
    "whole": "cast(2147483647 as int)",
    "large": "-9223372036854775808",
    "not_a_number": "double('nan')",
    "minus_zero": "float('-0.0')",
    "nothing": "null",
    "empty": "''",
    "end": "'\\u0000\\uffff'",
    "null_text": "cast(null as string)",
    "no_elements": "array()",
}


@pytest.fixture
def typed(spark, tmp_path):
    """A Parquet file with a column of each type, and a row of nulls."""
    columns = ", ".join(f"{value} AS `{name}`" for name, value in VALUES.items())
    nulls = ", ".join(f"if(id = 0, `{name}`, null) AS `{name}`" for name in VALUES)
    df = spark.sql(f"SELECT id, 'Emma.' AS text, {nulls} FROM (SELECT {columns}), range(2)")
    df.coalesce(1).write.parquet(str(tmp_path / "in"))
    return spark.read.parquet(str(tmp_path / "in"))


def test_every_type_travels_unchanged(spark, tmp_path, typed):
    config = ["--input.path", str(tmp_path / "in"), "--output.path", str(tmp_path / "out")]
    assert run(spark, read_config(config)).documents == 2
    written = spark.read.parquet(str(tmp_path / "out"))
    for name in ("id", "text", *VALUES):
        assert written.schema[name].dataType == typed.schema[name].dataType, name
    assert values(written) == values(typed)


def values(df) -> list[tuple[str | None, ...]]:
    """Every value in words, which tell -0.0 from 0.0, and NaN from itself."""
    told = []
    for name in VALUES:
        kind = df.schema[name].dataType
        shown = f"hex(`{name}`)" if isinstance(kind, T.BinaryType) else f"string(`{name}`)"
        shown = f"to_json(`{name}`)" if isinstance(kind, T.VariantType) else shown
        told.append(f"{shown} AS `{name}`")
    return [tuple(row) for row in df.orderBy("id").selectExpr(*told).collect()]


def test_nanoseconds_are_read_as_spark_is_told(spark, tmp_path, capsys):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "in").mkdir()
    table = pa.table({"text": ["Emma."], "at": pa.array([1_700_000_000_000_000_001], pa.int64())})
    table = table.set_column(1, "at", table["at"].cast(pa.timestamp("ns")))
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    flags = ["--input.path", str(tmp_path / "in"), "--output.path", str(tmp_path / "out")]
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    try:
        assert main(flags) == 0
    finally:
        spark.conf.unset("spark.sql.legacy.parquet.nanosAsLong")
    [row] = spark.read.parquet(str(tmp_path / "out")).collect()
    assert row["at"] == 1_700_000_000_000_000_001
