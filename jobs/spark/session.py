"""The Spark session of a job: the one that is there, or one of its own.

Enters: `spark.master` and `spark.config`. Leaves: a session, classic or a client of Spark Connect.
Must not import: torch, transformers.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys

from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession
from pyspark.sql.utils import is_remote

from spark_entities.jobs.config import REDACTED, SparkSection, is_secret, resolve_secrets
from spark_entities.jobs.spark.java import is_log_configured, start_java
from spark_entities.jobs.spark.phases import phase
from spark_entities.udfs.errors import ConfigError

# What Spark must not show in its UI and logs: more than it hides by default.
_REDACTION = {
    "spark.redaction.regex": REDACTED,
    "spark.sql.redaction.options.regex": f"{REDACTED}|url",
}
_QUIET = {"spark.ui.showConsoleProgress": "false"}  # jobs/spark/progress.py shows more
_HEARTBEAT = {"spark.executor.heartbeatInterval": "2s"}  # by which executors tell of documents
_ERRORS_ONLY = {"spark.log.level": "ERROR"}
_LOCALE, _UTF8 = ("LC_ALL", "LC_CTYPE", "LANG"), "C.UTF-8"

NO_JAVA = (
    "Java is missing: Spark needs Java 17. Install it (Debian, Ubuntu: apt install "
    "openjdk-17-jre-headless; macOS: brew install openjdk@17) or set JAVA_HOME."
)


def is_client(section: SparkSection) -> bool:
    """Tell whether the session of a job is a client of Spark Connect.

    Raises:
        ConfigError: if settings and environment name two places to run at.

    """
    remote, master = "SPARK_REMOTE" in os.environ, section.master or ""
    if remote and master and not master.startswith("sc://"):
        raise ConfigError(
            f"spark.master={master!r} and the environment variable SPARK_REMOTE name two places "
            f"to run at. Take one of them away."
        )
    return is_remote() or remote or master.startswith("sc://")


def check_publishes(section: SparkSection) -> None:
    """Refuse to publish from a client of Spark Connect.

    Raises:
        ConfigError: if the session of the job is one. Its address, which may hold a token, is not
            quoted.

    """
    _refuse_client(
        section,
        "cannot rename folders, by which results are published",
        "; or write what spark_entities.enrich(df, config) plans to a table whose format has "
        "transactions (docs/connect.md)",
    )


def check_sees_tasks(section: SparkSection) -> None:
    """Refuse to reckon by executors and their tasks from a client of Spark Connect.

    Raises:
        ConfigError: if the session of the job is one.

    """
    _refuse_client(section, "see neither executors nor their tasks")


def _refuse_client(section: SparkSection, why: str, otherwise: str = "") -> None:
    if is_client(section):
        where = "SPARK_REMOTE" if section.master is None else "spark.master=sc://…"
        raise ConfigError(
            f"{where} is a Spark Connect server, whose clients {why}. Run this job by "
            f"spark-submit, or with a spark.master such as local[2]{otherwise}."
        )


def make_session(section: SparkSection, name: str) -> SparkSession:
    """Return the active session, or start one with the settings of the configuration.

    A master `sc://…`, or the environment variable `SPARK_REMOTE`, is a Spark Connect server.
    Java's log has errors alone, unless `spark.log.level` or a log4j configuration says otherwise.

    Raises:
        ConfigError: if there is no Java to start one.

    """
    _quote_no_rows()
    if is_client(section):
        return _connect(section)
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        raise ConfigError(NO_JAVA)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    config = {**_REDACTION, **_QUIET, **_know_file_names(), **resolve_secrets(section.config)}
    if section.master is not None:
        config["spark.master"] = section.master
    from pyspark import SparkConf, SparkContext

    if SparkContext._active_spark_context is None:
        phase("Starting Spark")
    # Starts Java, where none runs: with what must stand on its command line, but no secret.
    shown = SparkConf(loadDefaults=False)
    referred = {key for key, value in section.config.items() if value != config[key]}
    hidden = {key for key in config if is_secret(key)} | referred
    shown.setAll([(key, value) for key, value in config.items() if key not in hidden])
    start_java(shown)
    defaults = _HEARTBEAT if is_log_configured() else _HEARTBEAT | _ERRORS_ONLY
    given = SparkConf()  # spark-submit's and spark-defaults.conf, too
    config = {key: value for key, value in defaults.items() if not given.contains(key)} | config
    return SparkSession.builder.appName(name).config(map={**config}).getOrCreate()


def _quote_no_rows() -> None:
    """Keep PySpark from logging, beside raising, the messages of errors: some quote a row."""
    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)


def _know_file_names() -> dict[str, str]:
    """Let Java find files by names beyond ASCII, of which it knows none in the C locale.

    Returns what tells executors so.
    """
    given = next((os.environ[key] for key in _LOCALE if os.environ.get(key)), "C")
    if "utf" not in given.lower():
        os.environ["LC_ALL"] = _UTF8
        return {"spark.executorEnv.LC_ALL": _UTF8}
    return {}


def _connect(section: SparkSection) -> SparkSession:
    """Connect to a server, whose own settings say what it shows in its logs."""
    phase("Connecting to Spark")
    builder = SparkSession.builder
    if section.master is not None:
        builder = builder.remote(section.master)
    return builder.config(map={**resolve_secrets(section.config)}).getOrCreate()
