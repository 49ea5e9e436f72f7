"""Tables of formats that publish by a transaction of their own, such as Delta or Iceberg.

Enters: a staged run. Leaves: its rows in the table, all of them, or the table as it was.
Must not import: torch, transformers. Needs classic Spark.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_entities.jobs.config import resolve_secrets
from spark_entities.jobs.output.base import Output
from spark_entities.jobs.spark.errors import SPARK_ERRORS, name_error
from spark_entities.udfs.errors import ConfigError, PublishError

_NO_SOURCE = "ClassNotFoundException"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionalTable(Output):
    """A table of a format that publishes by a transaction of its own, such as Delta or Iceberg."""

    def read(self) -> DataFrame:
        """Read the table."""
        if self.section.table is not None:
            return self.spark.table(self.section.table)
        return self.spark.read.format(self.section.format).load(self.path)

    def has(self, run_id: str) -> bool:
        """Tell whether a run was published here; one without rows has left no trace."""
        return self.stands() and not self.read().where(F.col(self.columns.run) == run_id).isEmpty()

    def describe(self, run_id: str | None) -> str:
        """Say where a run is, or all runs are."""
        return self.name if run_id is None else f"{self.name}, {self.run_folder(run_id)}"

    def check(self) -> None:
        """Refuse a format that Spark lacks, or a table that stands, where the mode forbids it."""
        self._check_format()
        self.check_database()
        if self.section.mode == "error" and self.stands():
            raise ConfigError(
                f"output.{'table' if self.section.table else 'path'}={self.name!r} exists and "
                f"output.mode is 'error'. Set output.mode to 'append' or 'overwrite'."
            )

    def _check_format(self) -> None:
        """Refuse a format of which Spark has no data source; that no table stands is no matter."""
        try:
            self.spark.read.format(self.section.format).load(self.path)
        except SPARK_ERRORS as error:
            if name_error(error) == _NO_SOURCE:
                raise ConfigError(
                    f"output.format={self.section.format!r} is none that this Spark knows. Check "
                    f"the name; or have spark.jars, or spark.jars.packages, bring its jar."
                ) from None

    def put_in_place(self, staging: str, run_id: str) -> None:
        """Write what was staged once more, in one transaction."""
        section = self.section
        self.check_held()
        if section.mode == "error" and self.stands():
            raise PublishError(f"{self.name} appeared while this run was working; it stays.")
        rows = self.spark.read.parquet(f"{staging}/{self.run_folder(run_id)}")
        writer = rows.withColumn(self.columns.run, F.lit(run_id)).write.format(section.format)
        writer = writer.mode("overwrite" if section.mode == "overwrite" else "append")
        writer = writer.options(**resolve_secrets(section.options))
        if section.partition_by:
            writer = writer.partitionBy(*section.partition_by)
        if section.table is None:
            writer.save(self.path)
        else:
            placed = writer.option("path", self.path) if section.path else writer
            placed.saveAsTable(section.table)

    @property
    def name(self) -> str:
        """Its name in the catalog or the database, or its path."""
        return self.section.table or str(self.section.path)

    def stands(self) -> bool:
        """Tell whether the table is there."""
        if self.section.table is not None:
            return bool(self.spark.catalog.tableExists(self.section.table))
        return self.files.exists(self.path)
