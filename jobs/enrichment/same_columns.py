"""The columns of the runs that stand in an output: those of one more must go with them.

Enters: a plan, an output. Leaves: nothing, or the column that differs.
Must not import: torch, transformers. Needs classic Spark.

Readers of Parquet take the columns of one file for those of all: one of another type cannot be
read, and one that this file lacks is hidden. The input's own may come and go, as fields do in JSON.
"""

from __future__ import annotations

import re

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from spark_entities.jobs.config import InputSection
from spark_entities.jobs.output.mentions import lay_out
from spark_entities.jobs.output.run_folders import RunFolders
from spark_entities.jobs.tables.columns import names_are_data
from spark_entities.udfs.errors import ConfigError

_RESULT = re.compile(r"(^|_)(entities|entity|redacted)(_|$)")  # in the name of a column


def check_same_columns(planned: DataFrame, section: InputSection, output: RunFolders) -> None:
    """Refuse a run with columns that cannot be read with those of the newest run of an output.

    Args:
        planned: what the run will be.
        section: how its input is read.
        output: a folder of runs in Parquet.

    Raises:
        ConfigError: naming the column and both types.

    """
    newest = output.newest()
    if newest is None:
        return
    try:
        standing = output.spark.read.parquet(newest)
    except PySparkException:  # its files are gone, which hides nothing
        return
    run = lay_out(planned.drop(output.columns.run), output)
    now, before = (_types(each, output) for each in (run, standing))
    for name in {**before, **now}:
        if name in now and name in before:
            differs = not _go_together(now[name], before[name])
        else:
            differs = _RESULT.search(name) is not None
        if differs:
            told = "a column" if names_are_data(section) else f"the column {name!r}"
            is_now, was = (
                each[name].simpleString() if name in each else "missing" for each in (now, before)
            )
            raise ConfigError(
                f"{told} of the result is {is_now}, and {was} in {newest}. Runs of one output are "
                f"read together: keep to its settings, leave it out by input.columns, cast it, or "
                f"choose another output.path."
            )


def _types(df: DataFrame, output: RunFolders) -> dict[str, T.DataType]:
    """Return types by column, but for those that name folders, whose types readers guess."""
    columns = df.drop(*output.section.partition_by).schema
    return {column.name: column.dataType for column in columns}


def _go_together(one: T.DataType, other: T.DataType) -> bool:
    """Tell whether two types can be read as one: fields that only one has are null in the other.

    >>> one, other = (T.StructType().add("a", kind) for kind in ("long", "string"))
    >>> _go_together(one, one), _go_together(one, other), _go_together(one, T.StructType())
    (True, False, True)
    """
    if isinstance(one, T.StructType) and isinstance(other, T.StructType):
        shared = {*one.names} & {*other.names}
        return all(_go_together(one[name].dataType, other[name].dataType) for name in shared)
    if isinstance(one, T.ArrayType) and isinstance(other, T.ArrayType):
        return _go_together(one.elementType, other.elementType)
    if isinstance(one, T.MapType) and isinstance(other, T.MapType):
        pairs = (one.keyType, other.keyType), (one.valueType, other.valueType)
        return all(_go_together(*pair) for pair in pairs)
    return one.simpleString() == other.simpleString()
