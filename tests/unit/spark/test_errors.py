"""Errors of Spark, Java and databases in words, none of them from a message."""

from types import SimpleNamespace

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException

from spark_entities.jobs.spark import errors
from spark_entities.jobs.spark.errors import explain, name_error
from spark_entities.udfs.errors import PublishError

DOCUMENT = "Emma woont in Londen"


class Java:
    """An error of Java, as Py4J shows it, with a cause perhaps."""

    def __init__(self, name, cause=None, state=None):
        self._target_id, self._gateway_client = "o1", None
        self.name, self.cause, self.state = name, cause, state

    def getClass(self):  # noqa: N802
        return SimpleNamespace(getSimpleName=lambda: self.name)

    def getCause(self):  # noqa: N802
        return self.cause

    def getSQLState(self):  # noqa: N802
        return self.state

    def getMessage(self):  # noqa: N802
        return DOCUMENT


def java_error(*names, **states):
    cause = None
    for name in reversed(names):
        cause = Java(name, cause, states.get(name))
    return Py4JJavaError(DOCUMENT, cause)


class WithCondition(PySparkException):
    def __init__(self):
        super().__init__(DOCUMENT)

    def getCondition(self):  # noqa: N802
        return "DIVIDE_BY_ZERO"


@pytest.fixture(autouse=True)
def databases(monkeypatch):
    """There is no Java to ask: what has a SQLState is a database's."""
    monkeypatch.setattr(errors, "_is_of_database", lambda cause: cause.state is not None)


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (WithCondition(), "DIVIDE_BY_ZERO"),
        (AnalysisException(DOCUMENT), "AnalysisException"),
        (java_error("SparkException"), "SparkException"),
        (java_error("A", "B", "C"), "A, B, C"),
        (java_error("A", "B", "A", "B"), "A, B"),
        (ValueError(DOCUMENT), "ValueError"),
    ],
)
def test_why_spark_stopped_a_run_is_told_by_kinds(error, kinds):
    assert explain(error) == (
        f"Spark stopped the run ({kinds}); its result was not published. See the executors' logs "
        f"for the reason."
    )


def test_an_error_of_ours_speaks_for_itself():
    assert explain(PublishError("3 documents were read and 2 written")) == (
        "3 documents were read and 2 written"
    )


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (WithCondition(), "DIVIDE_BY_ZERO"),
        (AnalysisException(DOCUMENT), "AnalysisException"),
        (java_error("SparkException", "IOException"), "IOException"),
        (
            java_error("A", "SQLDataError", "B", SQLDataError="22003"),
            "SQLDataError, SQLState 22003",
        ),
        (java_error("A", "Outer", "Inner", Outer="1", Inner="2"), "Outer, SQLState 1"),
    ],
)
def test_an_error_is_named_by_the_database_or_by_its_root(error, name):
    assert name_error(error) == name
