import pytest

from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.tables.result_columns import ResultColumns
from spark_entities.udfs.errors import ConfigError

GROUPS = ["PER", "LOC"]


def added(**sections) -> list[str]:
    return ResultColumns.of(EnrichConfig(**sections), GROUPS).added


def test_groups_that_would_share_a_column_are_refused():
    with pytest.raises(ConfigError, match="'a b' and 'a-b' would share the column entities_a_b"):
        ResultColumns.of(EnrichConfig(), ["a b", "a-b"])


def test_columns_of_texts_whose_results_would_share_a_column_are_refused():
    config = EnrichConfig(input={"text_columns": ["a.b", "a_B"]})
    with pytest.raises(ConfigError, match=r"'a\.b' and 'a_B' would share the column a_b_entities"):
        ResultColumns.of(config, GROUPS)


def test_the_columns_that_are_added_follow_the_labels():
    assert added() == [
        *["entities", "entities_per", "entities_loc", "entity_error"],
        *["entity_model", "entity_run"],
    ]


def test_each_of_several_columns_of_texts_has_its_own():
    assert added(input={"text_columns": ["title", "source.name"]}) == [
        *["title_entities", "title_entities_per", "title_entities_loc", "title_entity_error"],
        *["source_name_entities", "source_name_entities_per", "source_name_entities_loc"],
        *["source_name_entity_error", "entity_model", "entity_run"],
    ]


def test_a_prefix_is_in_front_of_all():
    names = added(
        output={"prefix": "pos_"}, redact={"groups": ["PER"]}, classify={"labels": ["PER"]}
    )
    assert names == [
        *["pos_entities", "pos_entities_per", "pos_entity_error", "pos_text_redacted"],
        *["pos_text_redacted_spans", "pos_entity_model", "pos_entity_run"],
    ]
