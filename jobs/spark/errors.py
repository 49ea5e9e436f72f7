"""stub"""

from typing import Any

from py4j.protocol import Py4JJavaError

from spark_entities.udfs.errors import EnrichmentError


def explain(error: Exception) -> str:
    """Say why a run failed; of Spark's errors the kinds only, as their text can quote documents."""
    if isinstance(error, EnrichmentError):
        return str(error)
    kinds = _causes(error) if isinstance(error, Py4JJavaError) else [_condition(error)]
    return (
        f"Spark stopped the run ({', '.join(dict.fromkeys(kinds))}); its result was not published. "
        f"See the executors' logs for the reason."
    )


def _condition(error: Any) -> str:
    """Name an error as Spark does (`DIVIDE_BY_ZERO`), or by its class."""
    return str(getattr(error, "getCondition", lambda: None)() or type(error).__name__)


def _causes(error: Py4JJavaError) -> list[str]:
    """Name the classes of a Java error and of its causes."""
    names, cause = [], error.java_exception
    while cause is not None:
        names.append(str(cause.getClass().getSimpleName()))
        cause = cause.getCause()
    return names
