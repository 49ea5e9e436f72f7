"""Java, started so that it says little: errors, and these above the live line, not into it.

Enters: what must stand on its command line. Leaves: a Java that Spark talks to, or one whose tasks
fail in silence for a while. Must not import: torch, transformers. Needs classic Spark.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.find_spark_home import _find_spark_home
from pyspark.java_gateway import launch_gateway

from spark_entities.jobs.spark.phases import is_live
from spark_entities.udfs.errors import ConfigError

_LOG4J = Path(__file__).with_name("log4j2.properties")
_OPTIONS = "SPARK_SUBMIT_OPTS"  # they stand before all others, so that log4j goes by those
_OF_TASKS = "org.apache.spark.executor.Executor", "org.apache.spark.scheduler.TaskSetManager"
_OF_NO_USE = "WARNING: Using incubator modules: jdk.incubator.vector"  # there is no option for it


def start_java(conf: SparkConf) -> None:
    """Start Java, unless it runs; it logs errors alone where nobody has configured its log.

    Raises:
        ConfigError: if it does not start with these settings.

    """
    if SparkContext._gateway is not None:
        return
    with _quiet_log(), _standard_error() as stderr:
        streams = {} if stderr is None else {"stderr": stderr}
        try:
            gateway = launch_gateway(conf, streams)  # type: ignore[no-untyped-call]
        except PySparkRuntimeError:
            raise ConfigError(
                "Java does not start, and says why above. Check the memory and Java's options in "
                "spark.config, and JAVA_HOME."
            ) from None
    SparkContext._ensure_initialized(gateway=gateway)


@contextmanager
def quiet_tasks() -> Iterator[None]:
    """Have Java log no task that fails meanwhile, since the error is caught, and told in a line."""
    log4j: Any = SparkContext._jvm and SparkContext._jvm.org.apache.logging.log4j
    if not log4j:  # on Spark Connect
        yield
        return
    set_level = log4j.core.config.Configurator.setLevel
    levels = {name: log4j.LogManager.getLogger(name).getLevel() for name in _OF_TASKS}
    for name in levels:
        set_level(name, log4j.Level.OFF)
    try:
        yield
    finally:
        for name, level in levels.items():
            set_level(name, level)


def is_log_configured() -> bool:
    """Tell whether Java's log goes by another configuration than Spark's own default."""
    log4j: Any = SparkContext._jvm.org.apache.logging.log4j  # type: ignore[union-attr]
    source = log4j.LogManager.getContext(False).getConfiguration().getConfigurationSource()
    return "org/apache/spark/log4j2" not in (source.getLocation() or "")


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Have a Java that is started meanwhile log errors alone, where Spark has no log4j file."""
    options = os.environ.get(_OPTIONS, "")
    folder = Path(os.environ.get("SPARK_CONF_DIR") or Path(_find_spark_home(), "conf"))
    if not [*folder.glob("log4j2.*")]:
        os.environ[_OPTIONS] = f"-Dlog4j2.configurationFile={_LOG4J.as_uri()} {options}"
    try:
        yield
    finally:
        os.environ[_OPTIONS] = options


@contextmanager
def _standard_error() -> Iterator[int | None]:
    """Give what is to be Java's standard error, and its workers'; beside a live line, not ours."""
    if not is_live():
        yield None
        return
    read, write = os.pipe()
    threading.Thread(target=_pass_on, args=(read,), name="java", daemon=True).start()
    try:
        yield write
    finally:
        os.close(write)


def _pass_on(read: int) -> None:
    """Print what Java prints, line by line."""
    with os.fdopen(read, errors="replace") as lines:
        for line in lines:
            if line.rstrip() != _OF_NO_USE:
                sys.stderr.write(line)
