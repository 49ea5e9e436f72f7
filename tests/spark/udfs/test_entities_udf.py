from types import SimpleNamespace

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_type

from spark_entities import (
    ClassifyOptions,
    ConfigError,
    ModelOptions,
    TokenClassifier,
    make_entities_udf,
)
from spark_entities.udfs.entities_udf import fastest_kind
from spark_entities.udfs.worker import metered_type

TEXTS = [
    "Mijn naam is Emma en ik woon in Londen.",
    None,
    "",
    " \n",
    "Frans van Houten werkte bij Philips (Eindhoven).",
    "東京 👩\u200d👧 Zürich",
    "Anna " * 600,
]

# Sums of a smaller format depend on how many threads share them.
MODEL = ModelOptions(precision="float32")


def classify(spark, texts, kind, strategy="first", num_partitions=2):
    options = ClassifyOptions(aggregation_strategy=strategy)
    df = spark.createDataFrame(list(enumerate(texts)), "id int, text string")
    udf = make_entities_udf(MODEL, options, kind)
    df = df.repartition(num_partitions).withColumn("result", udf(F.col("text")))
    assert df.schema["result"].dataType == from_arrow_type(metered_type(options))
    rows = {row["id"]: row["result"].asDict(recursive=True) for row in df.collect()}
    for row in rows.values():
        row.pop("metrics")
    return [rows[index] for index in range(len(texts))]


@pytest.fixture(scope="module", params=["first", "none"])
def expected(request):
    options = ClassifyOptions(aggregation_strategy=request.param)
    return request.param, TokenClassifier.load(MODEL, options, "cpu").classify(TEXTS).to_pylist()


@pytest.mark.parametrize("kind", ["pandas", "arrow"])
def test_both_kinds_give_the_rows_of_the_engine(spark, kind, expected):
    strategy, rows = expected
    for row in rows:
        for entity in row["entities"] or []:
            entity["score"] = pytest.approx(entity["score"], abs=1e-5)
    assert classify(spark, TEXTS, kind, strategy) == rows
    assert [len(rows[i]["entities"] or []) > 0 for i in (0, 1, 2, 3, 4)] == [
        True,
        *[False] * 3,
        True,
    ]


@pytest.mark.parametrize("kind", ["pandas", "arrow"])
def test_a_partition_without_entities_is_no_trouble(spark, kind):
    rows = classify(spark, ["", None, " "], kind, num_partitions=1)
    assert [row["entities"] for row in rows] == [[], None, []]


@pytest.mark.parametrize("kind", ["pandas", "arrow"])
def test_empty_partitions_are_no_trouble(spark, kind):
    assert classify(spark, [None, "Emma"], kind, num_partitions=8)[0]["entities"] is None


@pytest.mark.parametrize("kind", ["pandas", "arrow"])
def test_an_empty_table_has_the_schema_too(spark, kind):
    assert classify(spark, [], kind) == []


def test_a_filter_does_not_evaluate_the_udf_twice(spark):
    df = spark.createDataFrame([("Emma",)], "text string")
    df = df.withColumn("result", make_entities_udf()(F.col("text")))
    plan = df.where(F.size("result.entities") > 0).select("result.entities", "result.error")
    text = plan._jdf.queryExecution().executedPlan().toString()
    assert text.count("pandas_entities(") == 1


@pytest.mark.parametrize("kind", ["pandas", "arrow"])
def test_bytes_that_are_no_utf8_are_read_as_replacement_characters(spark, kind):
    before, after = b"Mijn naam is Emma. ".hex(), b" Hij woont in Londen.".hex()
    df = spark.sql(f"SELECT CAST(X'{before}ff{after}' AS STRING) AS text")
    row = df.withColumn("r", make_entities_udf(kind=kind)("text")).select("r.*").collect()[0]
    assert row["error"] is None
    assert [(e["word"], e["start"]) for e in row["entities"]] == [("Emma", 13), ("Londen", 34)]


@pytest.mark.parametrize(
    ("version", "kind"),
    [("4.0.2", "pandas"), ("4.1.0", "arrow"), ("5.0.0-preview1", "arrow")],
)
def test_the_fastest_kind_is_one_that_the_spark_spoken_to_has(version, kind):
    assert fastest_kind(SimpleNamespace(version=version)) == kind


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="kind='rdd' is not one of pandas, arrow"):
        make_entities_udf(kind="rdd")


@pytest.mark.parametrize("kind", ["pandas", "arrow"])
def test_several_columns_share_buffers_and_one_model(spark, kind):
    titles, bodies = TEXTS, TEXTS[::-1]
    rows = [*zip(range(len(TEXTS)), titles, bodies, strict=True)]
    df = spark.createDataFrame(rows, "id int, title string, body string").repartition(1)
    udf = make_entities_udf(MODEL, ClassifyOptions(buffer_chars=50), kind)
    found = {
        row["id"]: [result.asDict(recursive=True) for result in row["result"]]
        for row in df.withColumn("result", udf("title", F.col("body"))).collect()
    }
    metrics = [result.pop("metrics") for results in found.values() for result in results]
    assert sum(each["num_model_loads"] for each in metrics if each) <= 1
    assert len([each for each in metrics if each]) > 1
    alone = TokenClassifier.load(MODEL, device="cpu").classify(TEXTS).to_pylist()
    for row in alone:
        for entity in row["entities"] or []:
            entity["score"] = pytest.approx(entity["score"], abs=1e-5)
    for index in range(len(TEXTS)):
        assert found[index] == [alone[index], alone[-1 - index]]


def test_a_column_that_is_no_string_is_refused_and_not_cast(spark):
    with pytest.raises(AnalysisException, match="UNEXPECTED_INPUT_TYPE"):
        spark.range(1).select(make_entities_udf()("id"))


def test_a_model_may_be_given_by_its_name(spark):
    df = spark.createDataFrame([("Emma",)], "text string")
    row = df.select(make_entities_udf("bundled")("text").alias("r")).collect()[0]
    assert [entity["word"] for entity in row["r"]["entities"]] == ["Emma"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"model_options": ClassifyOptions()},
            "model_options is of type ClassifyOptions. Give Mod",
        ),
        ({"classify_options": {"stride": 8}}, "classify_options is of type dict. Give ClassifyOpt"),
        ({"redact": ["PER"]}, "redact is of type list. Give RedactOptions"),
    ],
)
def test_arguments_of_other_types_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        make_entities_udf(**arguments)
