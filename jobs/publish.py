"""Tables out: a result is staged, checked, and put in place whole by renames.

Enters: a planned DataFrame. Leaves: `<output>/entity_run=<run id>/`, or the output as it was.
Must not import: torch, transformers. Needs classic Spark: renames go through Hadoop's FileSystem.

    .<name>.staging-<run id>    beside the output: what this run writes
    .<name>.replaced-<run id>   beside the output: what an overwrite is about to delete
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession

from jobs.config import OutputSection
from udfs.errors import ConfigError, PublishError

RUN_COLUMN = "entity_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A folder that holds results, and the file system it lies on."""

    path: str  # qualified, with its scheme
    mode: str
    compression: str
    files: FileSystem

    def beside(self, role: str, run_id: str) -> str:
        """Return the hidden folder beside the output that a run uses in some role."""
        parent, name = self.path.rsplit("/", 1)
        return f"{parent}/.{name}.{role}-{run_id}"


class FileSystem:
    """The few calls of Hadoop's FileSystem that publishing needs."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        self._path = spark._jvm.org.apache.hadoop.fs.Path  # type: ignore[union-attr]
        configuration = spark._jsc.hadoopConfiguration()
        self._files: Any = self._path(path).getFileSystem(configuration)

    def qualify(self, path: str) -> str:
        """Return the path with scheme and authority; symbolic links of local paths resolved."""
        qualified = str(self._files.makeQualified(self._path(path)).toString()).rstrip("/")
        scheme, _, local = qualified.partition(":")
        return f"{scheme}:{os.path.realpath(local)}" if scheme == "file" else qualified

    def exists(self, path: str) -> bool:
        """Tell whether a path is there."""
        return bool(self._files.exists(self._path(path)))

    def children(self, path: str) -> list[str]:
        """List the names in a folder; nothing if it is not there."""
        if not self.exists(path):
            return []
        return [status.getPath().getName() for status in self._files.listStatus(self._path(path))]

    def rename(self, source: str, target: str) -> None:
        """Rename a folder to a name that is free."""
        if self.exists(target) or not self._files.rename(self._path(source), self._path(target)):
            raise PublishError(f"could not rename {source} to {target}: is it there already?")

    def delete(self, path: str) -> None:
        """Delete a folder and all in it, if it is there."""
        self._files.delete(self._path(path), True)


def open_output(
    spark: SparkSession, section: OutputSection, df: DataFrame, source: str | None
) -> Output:
    """Check that a result can be put where the configuration says, and mend a broken overwrite.

    Raises:
        ConfigError: if the output stands already and the mode does not allow it, or if output and
            input lie in one another.

    """
    if not section.path:
        raise ConfigError("output.path is missing. Give the folder for the result.")
    files = FileSystem(spark, section.path)
    output = Output(
        path=files.qualify(section.path),
        mode=section.mode,
        compression=section.compression,
        files=files,
    )
    _check_apart(spark, section.path, output.path, df, source)
    _mend(output)
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
    return output


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
    """Undo or finish an overwrite that died between its two renames."""
    parent, name = output.path.rsplit("/", 1)
    for child in output.files.children(parent):
        if child.startswith(f".{name}.replaced-"):
            if output.files.exists(output.path):
                output.files.delete(f"{parent}/{child}")
            else:
                output.files.rename(f"{parent}/{child}", output.path)


def publish(df: DataFrame, output: Output, run_id: str, audit: Callable[[int], None]) -> str:
    """Write a result beside the output, audit it, and put it in place. Returns its folder.

    Args:
        df: the result, with its `entity_run` column, which becomes the name of the folder.
        output: where to.
        run_id: the run.
        audit: given the number of rows written, raises `PublishError` if they must not be shown.

    """
    staging = output.beside("staging", run_id)
    part = f"{RUN_COLUMN}={run_id}"
    try:
        written = f"{staging}/{part}"
        df.drop(RUN_COLUMN).write.option("compression", output.compression).parquet(written)
        audit(df.sparkSession.read.parquet(written).count())
        _put_in_place(output, staging, part, run_id)
    finally:
        output.files.delete(staging)
    return f"{output.path}/{part}"


def _put_in_place(output: Output, staging: str, part: str, run_id: str) -> None:
    files = output.files
    if not files.exists(output.path):
        files.rename(staging, output.path)
    elif output.mode == "append":
        files.rename(f"{staging}/{part}", f"{output.path}/{part}")
    elif output.mode == "overwrite":
        replaced = output.beside("replaced", run_id)
        files.rename(output.path, replaced)
        try:
            files.rename(staging, output.path)
        except Exception:
            files.rename(replaced, output.path)
            raise
        files.delete(replaced)
    else:
        raise PublishError(f"{output.path} appeared while this run was working; it stays as it is.")
