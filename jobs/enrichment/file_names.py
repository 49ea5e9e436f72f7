"""Files whose names Java does not know: it passes over them, and so would the run.

Must not import: torch, transformers. Needs classic Spark.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pyspark.sql import SparkSession

from spark_entities.jobs.config import InputSection
from spark_entities.jobs.output.filesystem import LOCAL, FileSystem
from spark_entities.udfs.errors import ConfigError


def check_names(spark: SparkSession, section: InputSection) -> None:
    """Refuse local files of names beyond ASCII where Java runs in a locale that has none.

    Our own sessions set it; Java of spark-submit runs before us.

    Raises:
        ConfigError: if there are some.

    """
    properties = spark._jvm.java.lang.System  # type: ignore[union-attr]
    encoding = str(properties.getProperty("sun.jnu.encoding"))
    assert section.path is not None
    if "utf" in encoding.lower():
        return
    path = FileSystem(spark, section.path).qualify(section.path)
    if not path.startswith(LOCAL):
        return
    root = Path(re.split(r"[*?\[{]", path.removeprefix(LOCAL))[0])
    names = (
        name
        for _, folders, files in os.walk(root if root.is_dir() else root.parent)
        for name in (*folders, *files)
    )
    if any(not name.isascii() for name in names):
        raise ConfigError(
            f"input.path={section.path!r} has files or folders whose names are not ASCII, and Java "
            f"runs with {encoding}, in which it passes over them. Set LC_ALL=C.UTF-8 before it is "
            f"started, and spark.executorEnv.LC_ALL."
        )
