"""How a program ends: its exit status, and the line that says why.

0 done; 1 failed, what stood before is intact; 2 refused before work.
Must not import: torch, transformers; Spark, unless Spark has failed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from spark_entities.udfs.errors import ConfigError, EnrichmentError, ModelLoadError

DONE, FAILED, REFUSED = 0, 1, 2
_SPARKS = ("pyspark", "py4j")  # packages whose errors are Spark's


def run_program(program: Callable[[], None], *, refusal: str = "refused") -> int:
    """Run a program to its end; returns its exit status."""
    try:
        program()
    except (ConfigError, ModelLoadError) as error:
        return _end(REFUSED, *(f"{refusal}: {line}" for line in str(error).splitlines()))
    except EnrichmentError as error:
        return _end(FAILED, f"failed: {error}")
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _SPARKS:
            raise
        from spark_entities.jobs.spark.errors import explain

        return _end(FAILED, f"failed: {explain(error)}")
    return DONE


def _end(status: int, *lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return status
