"""A folder of runs in Parquet, each put in place whole, by renames.

Enters: a staged run. Leaves: the run in its place, or the output as it was.
Must not import: torch, transformers. Needs classic Spark.

    _run.json, _report.html     in the run's folder: its record (run_record.py) and the page about
                                it, which readers of tables pass over
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.errors import PySparkException

from spark_entities.jobs.output.base import Output
from spark_entities.jobs.output.run_record import PAGE, RECORD, RunRecord
from spark_entities.jobs.output.text_files import TEXTS, check_options
from spark_entities.jobs.tables.columns import quoted_path
from spark_entities.udfs.errors import ConfigError, PublishError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolders(Output):
    """A folder of runs in Parquet; with `output.table`, an external table in the catalog too."""

    @property
    def staged_parts(self) -> Sequence[str]:
        """Columns by which what is staged lies in folders: as the run will lie."""
        return self.section.partition_by

    def folder(self, run_id: str) -> str:
        """Return the folder of a run."""
        return f"{self.path}/{self.run_folder(run_id)}"

    def stands(self) -> bool:
        """Tell whether there is a result, of whatever run."""
        return self.files.exists(self._standing())

    def has(self, run_id: str) -> bool:
        """Tell whether a run was published here."""
        return self.files.exists(f"{self._standing()}/{self.run_folder(run_id)}")

    def describe(self, run_id: str | None) -> str:
        """Say where a run is, or all runs are."""
        where = self.path if run_id is None else self.folder(run_id)
        return where if self.section.table is None else f"{self.section.table}, {where}"

    def page(self, run_id: str) -> str | None:
        """Return where the page about a run is."""
        return f"{self.folder(run_id)}/{PAGE}"

    def _standing(self) -> str:
        """The folder that the runs lie in: the old one still, if an overwrite died half-way."""
        return self.left("replaced")[0] if self.is_broken() else self.path

    def is_broken(self) -> bool:
        """Whether an overwrite died between its two renames."""
        return bool(self.left("replaced")) and not self.files.exists(self.path)

    def records(self) -> dict[str, RunRecord]:
        """Return the records of the runs that were published here, by their folders."""
        names = self.files.children(self._standing())
        runs = [name for name in names if name.startswith(self.run_folder(""))]
        folders = [f"{self._standing()}/{name}" for name in runs]
        return {folder: self._record(f"{folder}/{RECORD}") for folder in folders}

    def record_of(self, run_id: str) -> RunRecord:
        """Return the record of a run that was published here."""
        return self._record(f"{self._standing()}/{self.run_folder(run_id)}/{RECORD}")

    def newest(self) -> str | None:
        """Return the folder of the run that ended last."""
        ended = {folder: record.ended for folder, record in self.records().items() if record.ended}
        return max(ended, key=lambda folder: ended[folder], default=None)

    def last_record(self, *, but: str | None = None) -> RunRecord | None:
        """Return the record of the run that ended last, but for one."""
        ended = [each for each in self.records().values() if each.ended and each.run != but]
        return max(ended, key=lambda record: record.ended, default=None)

    def _record(self, path: str) -> RunRecord:
        try:
            return RunRecord.from_json(self.files.read(path))
        except ValueError:
            raise ConfigError(
                f"{path}, the record of a run, was cut off or changed. Restore it, or delete it: "
                f"the run's rows stay, and count as made with unknown settings."
            ) from None

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
        self.check_database()
        if section.format in TEXTS:
            check_options(self.spark, section)
        names = [name for name in self.files.children(self._standing()) if name[0] not in "_."]
        if section.mode == "error" and self.stands():
            raise ConfigError(
                f"output.path={path!r} exists and output.mode is 'error'. Set output.mode to "
                f"'append' to add a run, 'overwrite' to replace all, or choose another path."
            )
        if section.mode == "append" and not all(
            name.startswith(self.run_folder("")) for name in names
        ):
            raise ConfigError(
                f"output.path={path!r} holds other things than runs ({self.run_folder('…')}), so "
                f"nothing can be appended. Choose another path, or set output.mode to 'overwrite'."
            )
        if section.mode == "append":
            self._check_alike()
        if section.table is not None and self.spark.catalog.tableExists(section.table):
            self._check_location(section.table)

    def put_in_place(self, staging: str, run_id: str) -> None:
        """Publish a run by one rename; replace all there is by two."""
        files, mode = self.files, self.section.mode
        self.check_held()
        if not files.exists(self.path):
            files.rename(staging, self.path)
        elif mode == "append":
            files.rename(f"{staging}/{self.run_folder(run_id)}", self.folder(run_id))
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

    def take_back(self, run_id: str) -> None:
        """Remove a run, by one rename, so that another try of it can be put in its place."""
        self.check_held()
        removed = self.beside(f"staging-{run_id}-removed")  # what is left of it is mended away
        self.files.rename(self.folder(run_id), removed)
        self.files.delete(removed)

    def _check_alike(self) -> None:
        """Refuse to add a run to others that lie in another way: no reader takes them together."""
        lies = {
            "output.format": self.section.format,
            "output.layout": self.section.layout,
            "output.partition_by": self.section.partition_by,
            "input.text_columns": self.columns.several,
        }
        for folder, record in self.records().items():
            for key, now in lies.items():
                before = getattr(record, key.partition(".")[2])
                if [*before] != [*now]:
                    raise ConfigError(
                        f"{key}={now!r}, but {folder} lies there by {before!r}. Set it to "
                        f"that, or choose another output.path."
                    )

    def _check_location(self, table: str) -> None:
        """Refuse the name of a table that lies elsewhere."""
        described = self.spark.sql(f"DESCRIBE TABLE EXTENDED {quoted_path(table)}")
        rows = described.where("col_name = 'Location'").collect()
        location = rows[0]["data_type"] if rows else None
        if location is None or self.files.qualify(location) != self.path:
            raise ConfigError(
                f"output.table={table!r} is there already, and lies in {location}, not in "
                f"output.path={self.section.path!r}. Give its folder, or another name."
            )

    def _register(self, table: str) -> None:
        """Have the catalog know the runs that are there, and no others."""
        catalog, name = self.spark.catalog, quoted_path(table)
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
