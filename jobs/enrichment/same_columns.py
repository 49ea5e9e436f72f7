"""The columns of the runs that stand in an output: those of one more must be the same.

Enters: a plan, an output. Leaves: nothing, or the column that differs.
Must not import: torch, transformers. Needs classic Spark.

Readers of Parquet take the columns of one file for those of all: a column that this one lacks is
hidden, and one of another type cannot be read.
"""

from __future__ import annotations

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from spark_entities.jobs.config import InputSection
from spark_entities.jobs.output.mentions import lay_out
from spark_entities.jobs.output.run_folders import RunFolders
from spark_entities.jobs.tables.columns import names_are_data
from spark_entities.udfs.errors import ConfigError


def check_same_columns(planned: DataFrame, section: InputSection, output: RunFolders) -> None:
    """Refuse a run whose columns are not those of the newest run of an output.

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
        if now.get(name) != before.get(name):
            told = "a column" if names_are_data(section) else f"the column {name!r}"
            raise ConfigError(
                f"{told} of the result is {now.get(name, 'missing')}, and "
                f"{before.get(name, 'missing')} in {newest}. Runs of one output have the same "
                f"columns, to be read together: set input.columns, cast it, or choose another "
                f"output.path."
            )


def _types(df: DataFrame, output: RunFolders) -> dict[str, str]:
    """Return types by column, but for those that name folders, whose types readers guess."""
    return dict(df.drop(*output.section.partition_by).dtypes)
