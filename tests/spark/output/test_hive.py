"""Hive tables by name, in and out, through the metastore that Spark embeds."""

from tests.support.processes import run_module


def test_a_hive_table_becomes_a_table_of_the_metastore():
    result = run_module("tests.support.hive_tables")
    assert result["statuses"] == [0, 0]
    assert result["partitions"] == [
        f"entity_run=run-{run}/day=d{day}" for run in "ab" for day in (1, 2)
    ]
    assert result["found"] == [[1, ["Philips"]]]
