"""A table format with transactions: a folder of files and a log, a Python data source of Spark's.

It stands for Delta and Iceberg, whose jars cannot be had where these tests run: rows are seen once
a write is committed, and not before. It keeps the columns `id`, `text` and `entity_run`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceWriter
from pyspark.sql.datasource import WriterCommitMessage as Message

COLUMNS = ["id", "text", "entity_run"]


@dataclass
class Written(Message):
    """A file of a task."""

    name: str


class Writer(DataSourceWriter):
    """Writes a file a task, and lists all of them in the log at the end."""

    def __init__(self, folder: Path, *, overwrite: bool, fails: bool) -> None:
        self.folder, self.overwrite, self.fails = folder, overwrite, fails

    def write(self, iterator: Iterator[Any]) -> Written:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{uuid4()}.json"
        rows = [[row[column] for column in COLUMNS] for row in iterator]
        (self.folder / name).write_text(json.dumps(rows))
        return Written(name)

    def commit(self, messages: list[Any]) -> None:
        if self.fails:
            raise RuntimeError("no transaction today")
        log = self.folder / "log"
        before = [] if self.overwrite or not log.exists() else json.loads(log.read_text())
        names = [message.name for message in messages if message is not None]
        (self.folder / "log.new").write_text(json.dumps(before + names))
        (self.folder / "log.new").replace(log)


class Reader(DataSourceReader):
    """Reads the files that the log lists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, partition: Any) -> Iterator[tuple[Any, ...]]:
        for name in json.loads((self.folder / "log").read_text()):
            yield from map(tuple, json.loads((self.folder / name).read_text()))


class Ledger(DataSource):
    """The format `ledger`. A table by name has no path here: option `at` says where it lies."""

    @classmethod
    def name(cls) -> str:
        return "ledger"

    def schema(self) -> str:
        return "id long, text string, entity_run string"

    def _folder(self) -> Path:
        return Path(self.options.get("at") or self.options["path"].removeprefix("file:"))

    def writer(self, schema: Any, overwrite: bool) -> Writer:
        unresolved = self.options.get("token", "").startswith("env:")
        fails = unresolved or "fails" in self.options
        return Writer(self._folder(), overwrite=overwrite, fails=fails)

    def reader(self, schema: Any) -> Reader:
        return Reader(self._folder())
