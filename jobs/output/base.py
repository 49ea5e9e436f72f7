"""What all kinds of output have in common: what lies beside one, and what a run asks of it.

Must not import: torch, transformers. Needs classic Spark: renames go through Hadoop's FileSystem.

    .<name>.lock                beside the output: the run that may write there (lock.py)
    .<name>.staging-<run id>    beside the output: what this run writes
    .<name>.replaced-<run id>   beside the output: what an overwrite is about to delete
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

from pyspark.sql import SparkSession

from spark_entities.jobs.config import OutputSection
from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.output.lock import Lock, hold
from spark_entities.jobs.output.run_record import RunRecord
from spark_entities.jobs.tables.columns import quoted_path
from spark_entities.jobs.tables.result_columns import ResultColumns
from spark_entities.udfs.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(ABC):
    """An output. Nothing is changed in it, or beside it, unless a lock on it is held."""

    spark: SparkSession
    section: OutputSection
    columns: ResultColumns
    id_column: str | None  # of the documents
    path: str  # qualified, with its scheme; of a table that Spark places, one that stands for it
    files: FileSystem
    lock: Lock | None = None  # none until it is held

    def run_folder(self, run_id: str) -> str:
        """Name the folder of a run."""
        return f"{self.columns.run}={run_id}"

    def beside(self, role: str) -> str:
        """Return the hidden folder beside the output that is used in some role."""
        parent, name = self.path.rsplit("/", 1)
        return f"{parent}/.{name}.{role}"

    def left(self, role: str) -> list[str]:
        """List the folders that runs have left beside the output in some role."""
        parent, name = self.path.rsplit("/", 1)
        found = self.files.children(parent)
        return [f"{parent}/{child}" for child in found if child.startswith(f".{name}.{role}-")]

    def is_broken(self) -> bool:
        """Whether a run died in the midst of putting its result in place."""
        return False

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

    def check_database(self) -> None:
        """Refuse the name of a table in a database that is not in the catalog."""
        database = (self.section.table or "").rpartition(".")[0]
        if database and not self.spark.catalog.databaseExists(quoted_path(database)):
            raise ConfigError(
                f"output.table={self.section.table!r}: the catalog has no database {database}. "
                f"Create it, or name another."
            )

    @abstractmethod
    def stands(self) -> bool:
        """Tell whether there is a result, of whatever run."""

    @abstractmethod
    def has(self, run_id: str) -> bool:
        """Tell whether a run was published here."""

    @abstractmethod
    def describe(self, run_id: str | None) -> str:
        """Say where a run is, or all runs are."""

    def last_record(self, *, but: str | None = None) -> RunRecord | None:  # noqa: ARG002
        """Return the record of the run that ended last, but for one; none where none is kept."""
        return None

    def page(self, run_id: str) -> str | None:  # noqa: ARG002
        """Return where the page about a run is: nowhere, unless the run has a folder."""
        return None

    @abstractmethod
    def put_in_place(self, staging: str, run_id: str) -> None:
        """Publish what was staged in `<staging>/entity_run=<run id>`."""

    @contextmanager
    def hold(self, run_id: str) -> Iterator[Self]:
        """Hold this output, so that no other run writes there, and mend what broke there.

        Raises:
            ConfigError: if another run holds it.

        """
        with hold(self.files, self.beside("lock"), run_id) as lock:
            self.mend()
            yield replace(self, lock=lock)

    def check_held(self) -> None:
        """Make sure, right before something is published, that this output is still held."""
        assert self.lock is not None
        self.lock.check()
