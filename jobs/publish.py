"""Tables out: a result is staged, checked, and put in place whole by renames.

Enters: a planned DataFrame. Leaves: `<output>/entity_run=<run id>/`, or the output as it was.
Must not import: torch, transformers. Needs classic Spark: renames go through Hadoop's FileSystem.

    .<name>.lock                beside the output: the run that may write there (lock.py)
    .<name>.staging-<run id>    beside the output: what this run writes
    .<name>.replaced-<run id>   beside the output: what an overwrite is about to delete
    _run.json                   in the run's folder: its record, which readers of tables pass over
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from jobs.config import OutputSection
from jobs.files import FileSystem
from jobs.lock import Lock, hold
from udfs.errors import ConfigError, PublishError

RUN_COLUMN = "entity_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A folder that holds results, and the file system it lies on."""

    path: str  # qualified, with its scheme
    mode: str
    compression: str
    files: FileSystem
    lock: Lock

    def beside(self, role: str) -> str:
        """Return the hidden folder beside the output that is used in some role."""
        parent, name = self.path.rsplit("/", 1)
        return f"{parent}/.{name}.{role}"

    def folder(self, run_id: str) -> str:
        """Return the folder of a run."""
        return f"{self.path}/{RUN_COLUMN}={run_id}"

    def has(self, run_id: str) -> bool:
        """Tell whether a run was published here."""
        return self.files.exists(self.folder(run_id))


@contextmanager
def open_output(
    spark: SparkSession, section: OutputSection, df: DataFrame, source: str | None, run_id: str
) -> Iterator[Output]:
    """Hold an output, having checked that a result can be put there, and mended what broke there.

    Raises:
        ConfigError: if the output stands already and the mode does not allow it, if output and
            input lie in one another, or if another run writes there.

    """
    if not section.path:
        raise ConfigError("output.path is missing. Give the folder for the result.")
    files = FileSystem(spark, section.path)
    path = files.qualify(section.path)
    _check_apart(spark, section.path, path, df, source)
    parent, name = path.rsplit("/", 1)
    with hold(files, f"{parent}/.{name}.lock", run_id) as lock:
        output = Output(
            path=path,
            mode=section.mode,
            compression=section.compression,
            files=files,
            lock=lock,
        )
        _mend(output)
        _check_mode(output, section)
        yield output


def _check_mode(output: Output, section: OutputSection) -> None:
    """Refuse an output that stands already, where the mode does not allow it."""
    files = output.files
    names = [name for name in files.children(output.path) if not name.startswith(("_", "."))]
    if section.mode == "error" and files.exists(output.path):
        raise ConfigError(
            f"output.path={section.path!r} exists and output.mode is 'error'. Set output.mode to "
            f"'append' to add a run, 'overwrite' to replace all, or choose another path."
        )
    if section.mode == "append" and not all(name.startswith(f"{RUN_COLUMN}=") for name in names):
        raise ConfigError(
            f"output.path={section.path!r} holds other things than runs ({RUN_COLUMN}=…), so "
            f"nothing can be appended. Choose another path, or set output.mode to 'overwrite'."
        )


def _check_apart(
    spark: SparkSession, given: str, output: str, df: DataFrame, source: str | None
) -> None:
    """Refuse an output that lies in what is read, or that holds a file which is read."""
    files = [unquote(file).replace("file:///", "file:/", 1) for file in df.inputFiles()]
    if source is not None:
        read = {FileSystem(spark, source).qualify(source)}
    else:
        read = {file.rsplit("/", 1)[0] for file in files}  # the folders of a table
    shared = [folder for folder in read if _covers(folder, output)]
    shared += [file for file in files if _covers(output, file)][:1]
    if shared:
        raise ConfigError(
            f"output.path={given!r} and the input share {shared[0]}. Results must lie outside what "
            f"is read: choose another output.path."
        )


def _covers(pattern: str, path: str) -> bool:
    """Tell whether a path is, or lies in, what a path or glob names.

    >>> _covers("file:/in/*", "file:/in/a/b"), _covers("file:/in", "file:/input")
    (True, False)
    """
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted))


def _mend(output: Output) -> None:
    """Undo or finish an overwrite that died between its two renames; clear away what was staged."""
    parent, name = output.path.rsplit("/", 1)
    for child in output.files.children(parent):
        if child.startswith(f".{name}.staging-"):
            output.files.delete(f"{parent}/{child}")
        if child.startswith(f".{name}.replaced-"):
            if output.files.exists(output.path):
                output.files.delete(f"{parent}/{child}")
            else:
                output.files.rename(f"{parent}/{child}", output.path)


def publish(
    df: DataFrame, output: Output, run_id: str, audit: Callable[[DataFrame], Mapping[str, object]]
) -> None:
    """Write a result beside the output, audit it, and put it in place.

    Args:
        df: the result, with its `entity_run` column, which becomes the name of the folder.
        output: where to.
        run_id: the run.
        audit: given what was written, returns the run's record, or raises `PublishError` if it must
            not be shown.

    """
    staging = output.beside(f"staging-{run_id}")
    part = f"{RUN_COLUMN}={run_id}"
    try:
        written = f"{staging}/{part}"
        planned = df.drop(RUN_COLUMN)
        planned.write.option("compression", output.compression).parquet(written)
        result = df.sparkSession.read.parquet(written)
        check_schema(planned.schema, result.schema)
        record = audit(result)
        output.files.create(f"{written}/_run.json", json.dumps(record, indent=1))
        output.lock.check()
        _put_in_place(output, staging, part, run_id)
    finally:
        output.files.delete(staging)


def check_schema(planned: StructType, written: StructType) -> None:
    """Refuse a result whose columns are not those that were planned."""
    expected, found = (
        [(field.name, field.dataType.simpleString()) for field in schema.fields]
        for schema in (planned, written)
    )
    if expected != found:
        differing = sorted({name for name, _ in {*expected} ^ {*found}})
        raise PublishError(
            f"not written as planned: {', '.join(differing)}; they were not published."
        )


def _put_in_place(output: Output, staging: str, part: str, run_id: str) -> None:
    files = output.files
    if not files.exists(output.path):
        files.rename(staging, output.path)
    elif output.mode == "append":
        files.rename(f"{staging}/{part}", f"{output.path}/{part}")
    elif output.mode == "overwrite":
        replaced = output.beside(f"replaced-{run_id}")
        files.rename(output.path, replaced)
        try:
            files.rename(staging, output.path)
        except Exception:
            files.rename(replaced, output.path)
            raise
        files.delete(replaced)
    else:
        raise PublishError(f"{output.path} appeared while this run was working; it stays as it is.")
