"""The few calls of Hadoop's FileSystem that publishing needs, on whatever an output lies.

Must not import: torch, transformers. Needs classic Spark.
"""

from __future__ import annotations

import errno
import os
import secrets
import time
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from spark_entities.udfs.errors import PublishError

LOCAL = "file:"
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class Status(NamedTuple):
    """What is told of a file."""

    modified: int  # milliseconds since 1970, UTC
    size: int  # bytes


class FileSystem:
    """The file system that a path lies on. Paths are strings, qualified by `qualify`."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        jvm: Any = spark._jvm
        self._path = jvm.org.apache.hadoop.fs.Path
        self._to_string = jvm.org.apache.commons.io.IOUtils.toString
        configuration = spark._jsc.hadoopConfiguration()
        self._files: Any = self._path(path).getFileSystem(configuration)

    def qualify(self, path: str) -> str:
        """Return the path with scheme and authority; symbolic links of local paths resolved.

        A root has no slash at its end, as other folders.
        """
        qualified = str(self._files.makeQualified(self._path(path)).toString())
        if qualified.startswith(LOCAL):
            qualified = LOCAL + os.path.realpath(qualified.removeprefix(LOCAL))
        return qualified.rstrip("/")

    def exists(self, path: str) -> bool:
        """Tell whether a path is there."""
        return bool(self._files.exists(self._path(path)))

    def glob(self, pattern: str) -> list[str]:
        """List the paths that match a pattern, as `qualify` returns them."""
        found = self._files.globStatus(self._path(pattern)) or ()
        return [self.qualify(status.getPath().toString()) for status in found]

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
        """Create a file, unless it is there; tell whether it was not.

        It gets its name once it is whole, whatever ends this process before. Of several that create
        the same file at once, one succeeds; an object store may not keep that promise.
        """
        if path.startswith(LOCAL):  # Hadoop's local file system looks first and renames then
            return _create_local(Path(path.removeprefix(LOCAL)), content)
        part = f"{path}-{secrets.token_hex(4)}.part"
        stream = self._files.create(self._path(part), False)
        stream.write(content.encode())
        stream.close()
        created = not self.exists(path) and self._files.rename(self._path(part), self._path(path))
        if not created:
            self.delete(part)
        return bool(created)

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

    def look_at(self, path: str) -> Status | None:
        """Return what is told of a file; nothing if it is not there."""
        if not self.exists(path):
            return None
        status = self._files.getFileStatus(self._path(path))
        return Status(modified=int(status.getModificationTime()), size=int(status.getLen()))


def _create_local(path: Path, content: str) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}-{secrets.token_hex(4)}.part")
    try:
        part.write_text(content, "utf-8")
        try:
            path.hardlink_to(part)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with path.open("x", encoding="utf-8") as file:
                file.write(content)
    except FileExistsError:
        return False
    finally:
        part.unlink(missing_ok=True)
    return True
