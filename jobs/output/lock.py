"""One run at a time on an output: a lock file beside it, which its holder keeps touching.

Enters: a file system and a path. Leaves: a lock, or the refusal of a second run.
Must not import: torch, transformers.

A holder that was killed touches no more. Who finds its lock looks for its process, if that would be
seen from here, or watches the lock for a while: by its changing, not by the time it shows, as
clocks of machines differ.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.spark.heartbeat import every
from spark_entities.udfs.errors import ConfigError, PublishError

_TOUCH_SECONDS = 5.0
_WATCH_SECONDS = 30.0  # several touches
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock that this process holds, by what it wrote into it."""

    files: FileSystem
    path: str
    content: str

    def check(self) -> None:
        """Make sure that nobody has taken the lock away, thinking that this process was dead.

        Raises:
            PublishError: if somebody has.

        """
        found = self.files.read(self.path)
        if found != self.content:
            holder = f"another run ({found})" if found else "another run, which has ended,"
            raise PublishError(
                f"{self.path} was taken by {holder} while this one stood still; nothing was "
                f"published. Run it again when the other has ended."
            )

    def is_ours(self) -> bool:
        """Tell whether the lock is still the one that this process wrote."""
        return self.files.read(self.path) == self.content

    def touch(self) -> None:
        """Show that its holder lives."""
        with suppress(Exception):  # `check` finds out
            self.files.touch(self.path)


@contextmanager
def hold(files: FileSystem, path: str, run_id: str) -> Iterator[Lock]:
    """Hold the lock at a path; one that a dead process has left is taken over.

    Raises:
        ConfigError: if another run holds it.
        PublishError: in the place of what failed inside, if another run had taken the lock over: it
            clears away what this one has written.

    """
    content = json.dumps({"run": run_id, "pid": os.getpid()} | _processes())
    while not _create(files, path, content):
        found = files.read(path)
        if found is not None:
            _check_dead(files, path, found)
        if files.read(path) == found:  # else another has taken it over meanwhile
            files.delete(path)
    lock = Lock(files=files, path=path, content=content)
    try:
        with every(_TOUCH_SECONDS, lock.touch, name="output-lock"):
            yield lock
    except Exception as error:
        try:
            lock.check()
        except PublishError as taken:
            raise taken from error
        raise
    finally:
        if lock.is_ours():
            files.delete(path)


def _create(files: FileSystem, path: str, content: str) -> bool:
    try:
        return files.create(path, content)
    except OSError as error:
        raise PublishError(
            f"{path}, the lock beside the output, cannot be made ({error.strerror}); nothing was "
            f"done. Choose an output.path where files can be written."
        ) from None


def check_free(files: FileSystem, path: str) -> None:
    """Refuse a lock that another run holds, without taking it.

    Raises:
        ConfigError: if another run holds it.

    """
    found = files.read(path)
    if found is not None:
        _check_dead(files, path, found)


def _check_dead(files: FileSystem, path: str, found: str) -> None:
    if _lives(files, path, found):
        raise ConfigError(
            f"another run is writing to the same output: {found}, by {path}. Wait for it to "
            f"end, or choose another output.path."
        )


def _lives(files: FileSystem, path: str, found: str) -> bool:
    """Tell whether the holder of a lock lives: its process is here, and it touches its lock."""
    with suppress(ValueError):  # it may be in the midst of being written
        holder = json.loads(found)
        seen_from_here = _processes().items() <= holder.items()
        if seen_from_here and not _is_running(holder["pid"]):
            return False
    touched = files.look_at(path)
    watched = time.monotonic() + _WATCH_SECONDS
    while time.monotonic() < watched:
        if (seen := files.look_at(path)) != touched:
            return seen is not None
        time.sleep(_LOOK_SECONDS)
    return False


def _processes() -> dict[str, str]:
    """Tell which processes are seen from here: containers may share a host's name, but not these.

    Where a system has no such names, the host's must do.
    """
    seen = {"host": socket.gethostname()}
    with suppress(OSError):
        seen["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        seen["namespace"] = str(Path("/proc/self/ns/pid").readlink())
    return seen


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
