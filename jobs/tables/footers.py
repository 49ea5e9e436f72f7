"""The columns of local Parquet files, read in no time, before Spark starts.

Enters: how an input is read. Leaves: its columns, where Spark is sure to see the same, or nothing.
Must not import: torch, transformers. Needs no Java.
"""

from __future__ import annotations

import os
import re
from glob import glob
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
from pyspark.sql import SparkSession
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema

from spark_entities.jobs.config import PARQUET, InputSection, SparkSection

# What may tell Spark to read files in another way than it does by itself.
_TOLD_BY = (
    "HADOOP_CONF_DIR",
    "PYSPARK_SUBMIT_ARGS",
    "SPARK_CONF_DIR",
    "SPARK_HOME",
    "SPARK_REMOTE",
)
_TOLD_WITH = ("spark.sql.", "spark.hadoop.")
_DEFAULTS = Path(pyspark.__file__).with_name("conf")  # of pip's Spark; it brings none

_SUMMARIES = ("_metadata", "_common_metadata")  # whose columns Spark takes, where there is one

_ALIKE = (
    pa.types.is_boolean,
    pa.types.is_signed_integer,
    pa.types.is_float32,
    pa.types.is_float64,
    pa.types.is_decimal128,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_date32,
    pa.types.is_timestamp,
)  # not bytes: Spark reads some as strings


def read_columns(section: InputSection, spark: SparkSection) -> T.StructType | None:
    """Read the columns of local Parquet files, from the one footer that Spark takes them from.

    Nothing is returned where Spark might see others: by settings, another file system, values in
    names of folders, folders in folders, types that it reads in its own way. Timestamps are told
    as such, with or without a zone.
    """
    if section.format != PARQUET or section.options or not is_plain(spark):
        return None
    try:
        files = find_files(section.path or "")
        if not files:
            return None
        with pq.ParquetFile(files[0], coerce_int96_timestamp_unit="us") as file:
            schema = file.schema_arrow
    except (OSError, pa.ArrowException):
        return None
    distinct = {name.lower() for name in schema.names}
    if not 0 < len(schema) == len(distinct) or not all(_is_alike(each.type) for each in schema):
        return None
    return from_arrow_schema(schema, prefer_timestamp_ntz=False)


def is_plain(section: SparkSection) -> bool:
    """Tell whether Spark will run on this machine, and nothing tells it how to read files."""
    told = any(name in os.environ for name in _TOLD_BY) or _DEFAULTS.exists()
    told = told or any(key.startswith(_TOLD_WITH) for key in section.config)
    is_local = (section.master or "local").startswith("local")
    return is_local and not told and SparkSession.getActiveSession() is None


def find_files(path: str) -> list[Path]:
    """Find the files that a path names, which may be flat folders or a plain pattern; or none.

    They are in the order of their names.
    """
    local = re.sub("^file:(//(?=/))?", "", path)
    is_odd = re.search(r"[]:=[{}\\]", local)
    found = [] if is_odd else map(Path, glob(local, include_hidden=True))  # noqa: PTH207
    files = [file for place in found for file in (place.iterdir() if place.is_dir() else [place])]
    if any(not file.is_file() or "=" in file.name or file.name in _SUMMARIES for file in files):
        return []
    return sorted((each for each in files if each.name[0] not in "._"), key=str)


def _is_alike(kind: pa.DataType) -> bool:
    """Tell whether Spark reads a column of a type as Arrow does."""
    if pa.types.is_nested(kind):
        return all(_is_alike(kind.field(number).type) for number in range(kind.num_fields))
    return not (pa.types.is_timestamp(kind) and kind.unit == "ns") and any(
        is_kind(kind) for is_kind in _ALIKE
    )
