import pytest
from pyspark.errors import PythonException
from pyspark.sql import functions as F

from spark_entities import ClassifyOptions, ConfigError, ModelOptions, TokenClassifier, register
from spark_entities.udfs.checkpoint import BUNDLED_FOLDER

TITLES = ["Emma in Londen", None, "", "Zürich 👩\u200d👧"]
BODIES = [
    "Frans van Houten werkte bij Philips (Eindhoven).",
    "Anna " * 600,
    None,
    "Mijn naam is Emma en ik woon in Londen.",
]

# Sums of a smaller format depend on how many threads share them.
MODEL = ModelOptions(precision="float32")


@pytest.fixture(scope="module")
def articles(spark):
    rows = list(zip(range(4), TITLES, BODIES, strict=True))
    spark.createDataFrame(rows, "id long, title string, body string").createTempView("articles")
    register(spark, model_options=MODEL)
    yield spark
    spark.catalog.dropTempView("articles")


def expected(texts):
    rows = TokenClassifier.load(MODEL, device="cpu").classify(texts).to_pylist()
    for row in rows:
        for entity in row["entities"] or []:
            entity["score"] = pytest.approx(entity["score"], abs=1e-5)
    return rows


def test_columns_of_one_select_have_the_rows_of_the_engine(articles):
    rows = articles.sql("SELECT entities(title) AS t, entities(body) AS b FROM articles").collect()
    assert [row["t"].asDict(recursive=True) for row in rows] == expected(TITLES)
    assert [row["b"].asDict(recursive=True) for row in rows] == expected(BODIES)


def test_columns_of_one_select_share_one_load(articles):
    """Another UDF of that select, which comes last, finds one model in the worker of all."""
    folder = str(BUNDLED_FOLDER.absolute())  # a name that no other test has, and so a new load

    def num_models(texts):
        from spark_entities.udfs import worker

        return worker.pa.array([sum(m.name == folder for m, _ in worker._models)] * len(texts))

    articles.udf.register("num_models", F.arrow_udf(num_models, "long"))
    register(articles, "loads", ModelOptions(name=folder))
    query = "SELECT loads(title), loads(body), num_models(title) AS n FROM articles"
    assert {row["n"] for row in articles.sql(query).collect()} == {1}


def test_fields_of_a_result_do_not_evaluate_it_twice(articles):
    query = "SELECT e.entities, e.error FROM (SELECT entities(body) AS e FROM articles)"
    plan = articles.sql(f"{query} WHERE size(e.entities) > 0")
    assert plan._jdf.queryExecution().executedPlan().toString().count("entities(body") == 1
    assert plan.count() == sum(bool(row["entities"]) for row in expected(BODIES))


def test_mentions_are_rows_by_inline(articles):
    query = "SELECT id, inline(e.entities) FROM (SELECT id, entities(title) AS e FROM articles)"
    assert [(r["id"], r["word"]) for r in articles.sql(query).collect()][:2] == [
        (0, "Emma"),
        (0, "Londen"),
    ]


def test_a_column_that_is_no_string_is_refused(articles):
    with pytest.raises(PythonException) as raised:
        articles.sql("SELECT entities(id) FROM articles").collect()
    assert "ConfigError: entities() takes a column of strings, not bigint." in str(raised.value)


def test_bytes_that_are_no_utf8_are_read_as_replacement_characters(articles):
    before, after = b"Mijn naam is Emma. ".hex(), b" Hij woont in Londen.".hex()
    text = f"CAST(X'{before}fff09f98{after}' AS STRING)"  # a byte of none, three of four bytes
    (row,) = articles.sql(f"SELECT e.* FROM (SELECT entities({text}) AS e)").collect()
    assert row["error"] is None
    assert [(e["word"], e["start"]) for e in row["entities"]] == [("Emma", 13), ("Londen", 35)]


def test_a_model_and_a_strategy_can_be_chosen(articles):
    register(articles, "tokens", "bundled", ClassifyOptions(aggregation_strategy="none"))
    (row,) = articles.sql("SELECT tokens('Emma') AS e").collect()
    assert row["e"]["entities"][0]["entity"] == "B-PER"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"spark": "entities"}, "spark is of type str"),
        ({"name": "my entities"}, "name='my entities' is no name of a function"),
        ({"name": None}, "name=None is no name of a function"),
        ({"model_options": ClassifyOptions()}, "model_options is of type ClassifyOptions"),
        ({"classify_options": {"stride": 64}}, "classify_options is of type dict"),
        ({"classify_options": ClassifyOptions(stride=512)}, "stride must be smaller than the wind"),
    ],
)
def test_wrong_arguments_are_refused_at_once(spark, arguments, words):
    with pytest.raises(ConfigError, match=words):
        register(**{"spark": spark} | arguments)


def test_an_older_spark_is_refused_with_the_way_out(spark, monkeypatch):
    monkeypatch.delattr(F, "arrow_udf")
    with pytest.raises(ConfigError, match=r"needs Spark 4\.1 or later.*make_entities_udf"):
        register(spark)
