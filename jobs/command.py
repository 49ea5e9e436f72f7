"""How a program ends: its exit status, and the line that says why.

0 done; 1 failed, what stood before is intact; 2 refused before work.
Must not import: torch, transformers; Spark, unless Spark has failed.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from spark_entities.jobs.spark.phases import end_phases
from spark_entities.udfs.errors import ConfigError, EnrichmentError, ModelLoadError

log = logging.getLogger("spark_entities.command")

DONE, FAILED, REFUSED = 0, 1, 2
_TRACEBACK = "SPARK_ENTITIES_TRACEBACK"
_SPARKS = ("pyspark", "py4j")  # packages whose errors are Spark's


def run_program(program: Callable[[], None], *, refusal: str = "refused") -> int:
    """Run a program to its end; returns its exit status."""
    try:
        _run_with_phases(program)
    except (ConfigError, ModelLoadError) as error:
        return _end(REFUSED, *(f"{refusal}: {line}" for line in str(error).splitlines()))
    except EnrichmentError as error:
        return _end(FAILED, f"failed: {error}")
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _SPARKS:
            return _end(FAILED, f"failed: {_unforeseen(error)}")
        from spark_entities.jobs.spark.errors import explain

        return _end(FAILED, f"failed: {explain(error)}")
    return DONE


def _run_with_phases(program: Callable[[], None]) -> None:
    """Run a program, whose phases are no longer told when its end is."""
    try:
        program()
    finally:
        end_phases()


def _unforeseen(error: Exception) -> str:
    """Name an error that nobody has put into words; its message may quote a document.

    The traceback, with the message, is logged where `SPARK_ENTITIES_TRACEBACK` is set.
    """
    places = traceback.extract_tb(error.__traceback__)
    ours = [place for place in places if "spark_entities" in Path(place.filename).parts]
    place = (ours or places)[-1]
    shown = _TRACEBACK in os.environ
    if shown:
        log.error("An error that was not foreseen.", exc_info=error)
    more = "Its traceback is above." if shown else f"{_TRACEBACK}=1 shows its traceback."
    return (
        f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}, which was not "
        f"foreseen. {more}"
    )


def _end(status: int, *lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return status
