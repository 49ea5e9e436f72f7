"""Columns of documents, and what is left of them without some."""

import pytest

from spark_entities.jobs.tables.columns import without

KIND = (
    "id int, a struct<b: struct<c: string>, k: int>, `a.b` string, d struct<e: struct<f: string>>"
)
ROW = 1, (("Emma",), 2), "Jan", (("Frans",),)


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["a.b.c"], "id:int,a:struct<k:int>,a.b:string,d:struct<e:struct<f:string>>"),
        (["a.k"], "id:int,a:struct<b:struct<c:string>>,a.b:string,d:struct<e:struct<f:string>>"),
        (["a.b.c", "a.k"], "id:int,a.b:string,d:struct<e:struct<f:string>>"),
        (["d.e.f", "a.b"], "id:int,a:struct<b:struct<c:string>,k:int>"),
        (["d.e", "a"], "id:int,a.b:string"),
    ],
)
def test_a_struct_goes_with_the_last_of_its_fields(spark, names, left):
    df = spark.createDataFrame([ROW], KIND)
    result = df.select(*without(df.schema, names))
    assert result.schema.simpleString() == f"struct<{left}>"
    assert result.count() == 1


def test_a_struct_that_is_null_stays_so_without_a_field(spark):
    df = spark.createDataFrame([(1, None, None, None)], KIND)
    assert df.select(*without(df.schema, ["a.b.c"])).collect()[0]["a"] is None
