"""Spark's errors in words: by condition, SQLState or class, never by message.

Enters: an error of Spark, of a database behind it, or of ours. Leaves: words that quote no
document, as messages can. Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from spark_entities.udfs.errors import EnrichmentError

SPARK_ERRORS = PySparkException, Py4JJavaError


def explain(error: Exception) -> str:
    """Say why a run failed: ours speak for themselves, of Spark's the kinds are named.

    >>> explain(PySparkException("… Emma woont in Londen …"))[:46]
    'Spark stopped the run (PySparkException); its '
    """
    if isinstance(error, EnrichmentError):
        return str(error)
    return (
        f"Spark stopped the run ({', '.join(dict.fromkeys(_kinds(error)))}); its result was not "
        f"published. See the executors' logs for the reason."
    )


def name_error(error: Exception) -> str:
    """Name an error, or what is at its root: the database's own, if there is one, by SQLState."""
    for cause in _causes(error):
        if _is_of_database(cause):
            return f"{_class(cause)}, SQLState {cause.getSQLState()}"
    return _kinds(error)[-1]


def _kinds(error: Exception) -> list[str]:
    """Name an error by its condition (`DIVIDE_BY_ZERO`) or class; one of Java with its causes."""
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    return [_class(cause) for cause in _causes(error)] or [condition or type(error).__name__]


def _causes(error: Exception) -> Iterator[Any]:
    """Go through a Java error and its causes; nothing where it is none."""
    cause = error.java_exception if isinstance(error, Py4JJavaError) else None
    while cause is not None:
        yield cause
        cause = cause.getCause()


def _class(cause: Any) -> str:
    return str(cause.getClass().getSimpleName())


def _is_of_database(cause: Any) -> bool:
    from pyspark import SparkContext  # of classic Spark, as are Java's errors

    gateway = SparkContext._gateway
    return gateway is not None and is_instance_of(gateway, cause, "java.sql.SQLException")
