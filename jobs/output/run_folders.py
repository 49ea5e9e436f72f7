"""Kinds of output: folders of runs, put in place by renames; tables with transactions.

Enters: a staged run. Leaves: the run in its place, whole, or the output as it was.
Must not import: torch, transformers. Needs classic Spark: renames go through Hadoop's FileSystem.

    .<name>.lock                beside the output: the run that may write there (lock.py)
    .<name>.staging-<run id>    beside the output: what this run writes
    .<name>.replaced-<run id>   beside the output: what an overwrite is about to delete
    _run.json, _report.html     in the run's folder: its record and the page about it (run_page.py),
                                which readers of tables pass over
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_entities.jobs.config import OutputSection, resolve_secrets
from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.output.lock import Lock
from spark_entities.jobs.tables.reading import quoted_table
from spark_entities.udfs.errors import ConfigError, PublishError

RUN_COLUMN = "entity_run"
RECORD = "_run.json"
PAGE = "_report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(ABC):
    """An output that this process holds."""

    spark: SparkSession
    section: OutputSection
    id_column: str | None  # of the documents
    path: str  # qualified, with its scheme; of a table that Spark places, one that stands for it
    files: FileSystem
    lock: Lock

    def beside(self, role: str) -> str:
        """Return the hidden folder beside the output that is used in some role."""
        parent, name = self.path.rsplit("/", 1)
        return f"{parent}/.{name}.{role}"

    def left(self, role: str) -> list[str]:
        """List the folders that runs have left beside the output in some role."""
        parent, name = self.path.rsplit("/", 1)
        found = self.files.children(parent)
        return [f"{parent}/{child}" for child in found if child.startswith(f".{name}.{role}-")]

    def mend(self) -> None:
        """Clear away what runs have staged that died."""
        for staged in self.left("staging"):
            self.files.delete(staged)

    @property
    def staged_parts(self) -> Sequence[str]:
        """Columns by which what is staged lies in folders."""
        return ()

    @abstractmethod
    def check(self) -> None:
        """Refuse an output that stands already, where the mode does not allow it."""

    @abstractmethod
    def has(self, run_id: str) -> bool:
        """Tell whether a run was published here."""

    @abstractmethod
    def describe(self, run_id: str | None) -> str:
        """Say where a run is, or all runs are."""

    def page(self, run_id: str) -> str | None:  # noqa: ARG002
        """Return where the page about a run is: nowhere, unless the run has a folder."""
        return None

    @abstractmethod
    def put_in_place(self, staging: str, run_id: str) -> None:
        """Publish what was staged in `<staging>/entity_run=<run id>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolders(Output):
    """A folder of runs in Parquet; with `output.table`, an external table in the catalog too."""

    @property
    def staged_parts(self) -> Sequence[str]:
        """Columns by which what is staged lies in folders: as the run will lie."""
        return self.section.partition_by

    def folder(self, run_id: str) -> str:
        """Return the folder of a run."""
        return f"{self.path}/{RUN_COLUMN}={run_id}"

    def has(self, run_id: str) -> bool:
        """Tell whether a run was published here."""
        return self.files.exists(self.folder(run_id))

    def describe(self, run_id: str | None) -> str:
        """Say where a run is, or all runs are."""
        where = self.path if run_id is None else self.folder(run_id)
        return where if self.section.table is None else f"{self.section.table}, {where}"

    def page(self, run_id: str) -> str | None:
        """Return where the page about a run is."""
        return f"{self.folder(run_id)}/{PAGE}"

    def records(self) -> dict[str, Mapping[str, Any]]:
        """Return the records of the runs that were published here, by their folders."""
        names = [name for name in self.files.children(self.path) if name.startswith(RUN_COLUMN)]
        folders = [f"{self.path}/{name}" for name in names]
        return {
            folder: json.loads(self.files.read(f"{folder}/{RECORD}") or "{}") for folder in folders
        }

    def mend(self) -> None:
        """Undo or finish an overwrite that died between its two renames, too."""
        Output.mend(self)
        for replaced in self.left("replaced"):
            if self.files.exists(self.path):
                self.files.delete(replaced)
            else:
                self.files.rename(replaced, self.path)

    def check(self) -> None:
        """Refuse an output that stands already, where the mode does not allow it."""
        section, path = self.section, self.section.path
        names = [name for name in self.files.children(self.path) if name[0] not in "_."]
        if section.mode == "error" and self.files.exists(self.path):
            raise ConfigError(
                f"output.path={path!r} exists and output.mode is 'error'. Set output.mode to "
                f"'append' to add a run, 'overwrite' to replace all, or choose another path."
            )
        if section.mode == "append" and not all(
            name.startswith(f"{RUN_COLUMN}=") for name in names
        ):
            raise ConfigError(
                f"output.path={path!r} holds other things than runs ({RUN_COLUMN}=…), so "
                f"nothing can be appended. Choose another path, or set output.mode to 'overwrite'."
            )
        if section.mode == "append":
            self._check_alike()
        if section.table is not None and self.spark.catalog.tableExists(section.table):
            self._check_location(section.table)

    def put_in_place(self, staging: str, run_id: str) -> None:
        """Publish a run by one rename; replace all there is by two."""
        files, mode = self.files, self.section.mode
        if not files.exists(self.path):
            files.rename(staging, self.path)
        elif mode == "append":
            files.rename(f"{staging}/{RUN_COLUMN}={run_id}", self.folder(run_id))
        elif mode == "overwrite":
            replaced = self.beside(f"replaced-{run_id}")
            files.rename(self.path, replaced)
            try:
                files.rename(staging, self.path)
            except Exception:
                files.rename(replaced, self.path)
                raise
            files.delete(replaced)
        else:
            raise PublishError(f"{self.path} appeared while this run was working; it stays.")
        if self.section.table is not None:
            self._register(self.section.table)

    def _check_alike(self) -> None:
        """Refuse to add a run to others that lie in another way: no reader takes them together."""
        for folder, record in self.records().items():
            for key, default in (("layout", "documents"), ("partition_by", [])):
                before, now = record.get(key, default), getattr(self.section, key)
                if before != now:
                    raise ConfigError(
                        f"output.{key}={now!r}, but {folder} lies there by {before!r}. Set it to "
                        f"that, or choose another output.path."
                    )

    def _check_location(self, table: str) -> None:
        """Refuse the name of a table that lies elsewhere."""
        described = self.spark.sql(f"DESCRIBE TABLE EXTENDED {quoted_table(table)}")
        rows = described.where("col_name = 'Location'").collect()
        location = rows[0]["data_type"] if rows else None
        if location is None or self.files.qualify(location) != self.path:
            raise ConfigError(
                f"output.table={table!r} is there already, and lies in {location}, not in "
                f"output.path={self.section.path!r}. Give its folder, or another name."
            )

    def _register(self, table: str) -> None:
        """Have the catalog know the runs that are there, and no others."""
        catalog, name = self.spark.catalog, quoted_table(table)
        if not self.files.exists(self.path):
            return
        try:
            if catalog.tableExists(table):
                written = self.spark.read.parquet(self.path)
                if self.spark.table(table).dtypes != written.dtypes:
                    self.spark.sql(f"DROP TABLE {name}")
            if not catalog.tableExists(table):
                catalog.createTable(table, path=self.path, source="parquet")
            self.spark.sql(f"MSCK REPAIR TABLE {name} SYNC PARTITIONS")
        except PySparkException as error:
            raise PublishError(
                f"{self.path} stands, but the catalog could not be told of output.table={table!r} "
                f"({error.getCondition()}). The next run tells it."
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionalTable(Output):
    """A table of a format that publishes by a transaction of its own, such as Delta or Iceberg."""

    def read(self) -> DataFrame:
        """Read the table."""
        if self.section.table is not None:
            return self.spark.table(self.section.table)
        return self.spark.read.format(self.section.format).load(self.path)

    def has(self, run_id: str) -> bool:
        """Tell whether a run was published here."""
        return self._exists() and not self.read().where(F.col(RUN_COLUMN) == run_id).isEmpty()

    def describe(self, run_id: str | None) -> str:
        """Say where a run is, or all runs are."""
        return self._name if run_id is None else f"{self._name}, {RUN_COLUMN}={run_id}"

    def check(self) -> None:
        """Refuse a table that stands already, where the mode does not allow it."""
        resolve_secrets(self.section.options)  # one that is not there is refused before any work
        if self.section.mode == "error" and self._exists():
            raise ConfigError(
                f"output.{'table' if self.section.table else 'path'}={self._name!r} exists and "
                f"output.mode is 'error'. Set output.mode to 'append' or 'overwrite'."
            )

    def put_in_place(self, staging: str, run_id: str) -> None:
        """Write what was staged once more, in one transaction."""
        section = self.section
        if section.mode == "error" and self._exists():
            raise PublishError(f"{self._name} appeared while this run was working; it stays.")
        rows = self.spark.read.parquet(f"{staging}/{RUN_COLUMN}={run_id}")
        writer = rows.withColumn(RUN_COLUMN, F.lit(run_id)).write.format(section.format)
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
    def _name(self) -> str:
        return self.section.table or str(self.section.path)

    def _exists(self) -> bool:
        if self.section.table is not None:
            return bool(self.spark.catalog.tableExists(self.section.table))
        return self.files.exists(self.path)
