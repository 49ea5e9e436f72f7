"""Spark's properties: how numbers, sizes and switches are read, and what is refused."""

import re

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


@pytest.mark.parametrize("master", ["lokal[2]", "local[x]", "local[0]", "local[2", "host:7077"])
def test_a_master_that_spark_does_not_know_is_refused(master):
    with pytest.raises(ConfigError, match=rf"spark\.master={re.escape(master)} is none that Spark"):
        SparkProperties({"spark.master": master}).check_start()


@pytest.mark.parametrize(
    "master",
    [
        "local",
        "local[2]",
        "local[*]",
        "local[*, 4]",
        "local-cluster[2,1,1024]",
        "yarn",
        "spark://a:7077,b:7077",
        "k8s://https://host:443",
        "sc://host",
        "",
    ],
)
def test_a_master_that_spark_knows_is_taken(master):
    SparkProperties({"spark.master": master, "spark.driver.memory": "2g"}).check_start()


@pytest.mark.parametrize("key", ["spark.driver.memory", "spark.executor.memory"])
def test_memory_that_java_cannot_start_with_is_refused(key):
    with pytest.raises(ConfigError, match=rf"{re.escape(key)}=lots is not a size"):
        SparkProperties({key: "lots"}).check_start()
