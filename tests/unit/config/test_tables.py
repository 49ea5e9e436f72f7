"""What is refused of tables in databases, before Spark starts."""

import json

import pytest

from spark_entities.jobs.config import read_config
from spark_entities.udfs.errors import ConfigError

URL = "jdbc:postgresql://host/news"


def refused(flags: dict[str, object]) -> str:
    arguments = []
    given = {key: value for key, value in flags.items() if value is not None}
    for key, value in given.items():
        arguments += [f"--{key}", value if isinstance(value, str) else json.dumps(value)]
    with pytest.raises(ConfigError) as error:
        read_config(arguments)
    return str(error.value)


READ = {"input.format": "jdbc", "input.options": {"url": URL, "dbtable": "articles"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input.path": "x"}, "input.format='jdbc' with input.path='x'"),
        ({"input.options": {"dbtable": "articles"}}, "input.options has no url"),
        ({"input.options": {"url": URL}}, "exactly one of input.options.dbtable"),
        (
            {"input.options": {"URL": URL, "dbTable": "a", "query": "b"}},
            "exactly one of input.options.dbtable",
        ),
    ],
)
def test_an_input_that_is_no_table_of_a_database_is_refused(change, message):
    assert message in refused(READ | change)


@pytest.mark.parametrize(
    "url",
    [
        f"{URL}?user=me&password=hunter2",
        "jdbc:sqlserver://host;databaseName=news;pwd=hunter2",
        "jdbc:mysql://me:hunter2@host/news",
        "jdbc:oracle:thin:me/hunter2@//host:1521/news",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(url):
    message = refused(READ | {"input.options": {"url": url, "dbtable": "articles"}})
    assert "input.options.url holds a user or a password" in message
    assert "hunter2" not in message


@pytest.mark.parametrize("url", [URL, "jdbc:oracle:thin:@//host:1521/news", "jdbc:derby:memory:a"])
def test_an_address_without_a_password_is_taken(url):
    options = json.dumps({"url": url, "query": "SELECT 1"})
    config = read_config(["--input.format", "jdbc", "--input.options", options])
    assert config.input.options["url"] == url


WRITTEN = {
    "output.format": "jdbc",
    "output.options": {"url": URL},
    "output.table": "mentions",
    "output.layout": "mentions",
    "output.staging_path": "stage",
    "input.id_column": "id",
    "errors.policy": "fail",
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("output.options", {}, "output.options has no url"),
        ("output.table", None, "needs output.table set to"),
        ("output.staging_path", None, "output.staging_path"),
        ("output.layout", "documents", "needs output.layout set to 'mentions'"),
        ("output.path", "out", "needs no output.path"),
        ("output.partition_by", ["day"], "needs no output.partition_by"),
        ("output.options", {"url": URL, "dbtable": "t"}, "needs no dbtable and query"),
    ],
)
def test_an_output_that_is_no_table_of_a_database_is_refused(key, value, message):
    assert message in refused(WRITTEN | {key: value})


def test_an_output_in_a_database_is_taken():
    flags = [(f"--{k}", v if isinstance(v, str) else json.dumps(v)) for k, v in WRITTEN.items()]
    assert read_config([part for flag in flags for part in flag]).output.table == "mentions"


def test_the_options_of_an_output_name_no_path():
    message = refused({"output.path": "out", "output.options": {"Path": "elsewhere"}})
    assert message == "output.options names a path. Set output.path in its place."
