"""A DataFrame of a result, shown in a notebook."""

import re

import pytest

from spark_entities.jobs.report.marks import make_html
from spark_entities.udfs.errors import ConfigError

ENTITIES = "array<struct<entity_group: string, start: int, end: int>>"
KIND = f"title string, source struct<name: string>, title_entities {ENTITIES}"


@pytest.fixture(scope="module")
def result(spark):
    rows = [("Emma in Londen.", ("Emma.",), [("PER", 0, 4)]), (None, None, None)]
    return spark.createDataFrame(rows, KIND)


@pytest.mark.parametrize("text", ["title", "source.name"])
def test_texts_of_a_data_frame_are_marked_by_the_column_that_is_named(result, text):
    html = make_html(result, text, entities="title_entities")
    assert re.findall("(Emma|null).*?<", html) == ["Emma", "null"]


@pytest.mark.parametrize(
    ("text", "entities", "missing"),
    [
        ("text", "title_entities", "text"),
        ("title", "entities", "entities"),
        ("source.title", "title_entities", "source.title"),
    ],
)
def test_a_data_frame_without_such_a_column_is_refused(result, text, entities, missing):
    with pytest.raises(ConfigError, match=f"finds no '{missing}' in the results"):
        make_html(result, text, entities=entities)
