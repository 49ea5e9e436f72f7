"""Spark's properties: how numbers, sizes and switches are read, and what is refused."""

import pytest

from spark_entities.jobs.spark.properties import (
    GPUS,
    TASK_CPUS,
    TASK_GPUS,
    SparkProperties,
)
from spark_entities.udfs.errors import ConfigError


@pytest.mark.parametrize(("key", "value"), [(GPUS, "all"), (TASK_CPUS, "-1"), (TASK_GPUS, "")])
def test_a_value_that_is_no_number_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"{key}={value} is not a number. Set it to 0 or more."):
        SparkProperties({key: value})


@pytest.mark.parametrize(
    ("value", "unit", "size"),
    [
        ("3", "b", 3),
        ("3", "m", 3 << 20),
        ("3k", "m", 3 << 10),
        ("3KB", "m", 3 << 10),
        ("3kib", "m", 3 << 10),
        (" 2G ", "m", 2 << 30),
        ("1t", "b", 1 << 40),
        ("-1", "b", -1),
    ],
)
def test_a_size_is_read_as_spark_reads_it(value, unit, size):
    assert SparkProperties({"spark.x": value}).size("spark.x", 7, unit) == size


@pytest.mark.parametrize("value", ["much", "1.5g", "8x", ""])
def test_a_value_that_is_no_size_is_refused(value):
    with pytest.raises(ConfigError, match=f"spark.x={value} is not a size. Set it to one such as"):
        SparkProperties({"spark.x": value}).size("spark.x", 7, "m")


def test_what_is_not_set_is_the_default():
    nothing = SparkProperties({})
    assert (nothing.number("spark.x", 7), nothing.size("spark.x", 7, "m")) == (7, 7)
    assert nothing.is_on("spark.x", default=True)
    assert not nothing.is_on("spark.x", default=False)
    assert not SparkProperties({"spark.x": "False"}).is_on("spark.x", default=True)
    assert "spark.x" not in nothing


@pytest.mark.parametrize(
    ("master", "is_local"),
    [("local", True), ("local[*]", True), ("local-cluster[2,1,1]", False), ("yarn", False)],
)
def test_local_mode_is_told_by_the_master(master, is_local):
    assert SparkProperties({"spark.master": master}).is_local is is_local
