"""How many documents a table has, where that is known without reading them.

Must not import: torch, transformers. Runs on Spark Connect, where it is not known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql.utils import is_remote

_MOST_FILES = 1000  # whose footers take less than a second
_LOCAL = "file:"


def count_documents(df: DataFrame) -> int | None:
    """Count the rows of a table by the footers of its files; nothing where that does not do.

    It does for local Parquet files that are read as they are: without a filter, a join or a limit.
    """
    if is_remote():
        return None
    plan: Any = df._jdf.queryExecution().sparkPlan()
    while plan.getClass().getSimpleName() == "ProjectExec":
        plan = plan.child()
    if plan.getClass().getSimpleName() != "FileSourceScanExec":
        return None
    if plan.relation().fileFormat().toString() != "Parquet":
        return None
    is_filtered = plan.partitionFilters().nonEmpty() or plan.dataFilters().nonEmpty()
    if is_filtered or plan.selectedPartitions().totalNumberOfFiles() > _MOST_FILES:
        return None
    files = df.inputFiles()
    if not all(file.startswith(_LOCAL) for file in files):
        return None
    try:
        return sum(int(pq.read_metadata(_local_path(file)).num_rows) for file in files)
    except (OSError, pa.ArrowException):  # one is broken, or gone
        return None


def _local_path(file: str) -> Path:
    """Return the path of a local file that Spark names.

    >>> str(_local_path("file:///data/a%20b.parquet"))
    '/data/a b.parquet'
    """
    return Path("/", unquote(file.removeprefix(_LOCAL)).lstrip("/"))
