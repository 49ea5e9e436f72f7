"""The few calls of Hadoop's FileSystem that publishing needs, on whatever an output lies.

Must not import: torch, transformers. Needs classic Spark.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from spark_entities.udfs.errors import PublishError

LOCAL = "file:"


class FileSystem:
    """The file system that a path lies on. Paths are strings, qualified by `qualify`."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        jvm: Any = spark._jvm
        self._path = jvm.org.apache.hadoop.fs.Path
        self._to_string = jvm.org.apache.commons.io.IOUtils.toString
        configuration = spark._jsc.hadoopConfiguration()
        self._files: Any = self._path(path).getFileSystem(configuration)

    def qualify(self, path: str) -> str:
        """Return the path with scheme and authority; symbolic links of local paths resolved."""
        qualified = str(self._files.makeQualified(self._path(path)).toString()).rstrip("/")
        if not qualified.startswith(LOCAL):
            return qualified
        return LOCAL + os.path.realpath(qualified.removeprefix(LOCAL))

    def exists(self, path: str) -> bool:
        """Tell whether a path is there."""
        return bool(self._files.exists(self._path(path)))

    def is_file(self, path: str) -> bool:
        """Tell whether a path is that of a file."""
        return self.exists(path) and bool(self._files.getFileStatus(self._path(path)).isFile())

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
        """Delete a file, or a folder and all in it, if it is there."""
        self._files.delete(self._path(path), True)

    def create(self, path: str, content: str) -> bool:
        """Create a file with its content, unless it is there; tell whether it was not.

        Of several that create the same file at once, one succeeds; an object store may not keep
        that promise.
        """
        if path.startswith(LOCAL):  # Hadoop's local file system looks first and creates then
            local = Path(path.removeprefix(LOCAL))
            local.parent.mkdir(parents=True, exist_ok=True)
            try:
                with local.open("x", encoding="utf-8") as file:
                    file.write(content)
            except FileExistsError:
                return False
            return True
        try:
            stream = self._files.create(self._path(path), False)
        except Py4JJavaError:
            if self.exists(path):
                return False
            raise
        stream.write(content.encode())
        stream.close()
        return True

    def read(self, path: str) -> str | None:
        """Return the content of a small file; nothing if it is not there."""
        if not self.exists(path):
            return None
        stream = self._files.open(self._path(path))
        content: str = self._to_string(stream, "UTF-8")
        stream.close()
        return content

    def touch(self, path: str) -> None:
        """Set a file's time of modification to now."""
        self._files.setTimes(self._path(path), round(time.time() * 1000), -1)

    def modified(self, path: str) -> int | None:
        """Return a file's time of modification, in milliseconds; nothing if it is not there."""
        if not self.exists(path):
            return None
        return int(self._files.getFileStatus(self._path(path)).getModificationTime())
