"""The Spark session of a job: the one that is there, or one of its own.

Must not import: torch, transformers.
"""

from __future__ import annotations

import os
import shutil
import sys

from pyspark.sql import SparkSession

from jobs.config import SparkSection
from udfs.errors import ConfigError

NO_JAVA = (
    "Java is missing: Spark needs Java 17. Install it (Debian, Ubuntu: apt install "
    "openjdk-17-jre-headless; macOS: brew install openjdk@17) or set JAVA_HOME."
)


def make_session(section: SparkSection, name: str) -> SparkSession:
    """Return the active session, or start one with the settings of the configuration.

    Raises:
        ConfigError: if there is no Java to start one.

    """
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        raise ConfigError(NO_JAVA)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(name)
    if section.master is not None:
        builder = builder.master(section.master)
    for key, value in section.config.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
