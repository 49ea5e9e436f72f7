import pytest

from spark_entities.jobs.tables.columns import added_columns, group_columns
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.errors import ConfigError


def test_groups_that_would_share_a_column_are_refused():
    scheme = LabelScheme.from_id2label({0: "a b", 1: "a-b"})
    with pytest.raises(ConfigError, match="'a b' and 'a-b' would share the column entities_a_b"):
        group_columns(scheme)


def test_the_columns_that_are_added_follow_the_labels():
    scheme = LabelScheme.from_id2label({0: "O", 1: "B-PER", 2: "B-LOC"})
    assert added_columns(scheme) == [
        "entities",
        "entities_per",
        "entities_loc",
        "entity_error",
        "entity_model",
        "entity_run",
    ]
