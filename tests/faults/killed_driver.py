"""A job whose driver is killed at one point: `python -m tests.faults.killed_driver POINT FLAG …`.

The process ends itself and its JVM with SIGKILL, as the kernel does when memory runs out, when the
job comes to the point. It must be the leader of a session of its own.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spark_entities.jobs import enrich
from spark_entities.jobs.output import lock, publish
from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.output.run_folders import RunFolders


def die(*_: object) -> None:
    """End this process and those it started."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


def before(owner: Any, name: str, nth: int = 1) -> None:
    """Die when a function is called for the nth time."""
    real: Callable[..., object] = getattr(owner, name)
    calls = 0

    def dying(*arguments: object, **keywords: object) -> object:
        nonlocal calls
        calls += 1
        if calls == nth:
            die()
        return real(*arguments, **keywords)

    setattr(owner, name, dying)


def after(owner: Any, name: str) -> None:
    """Die when a function has been called."""
    real: Callable[..., object] = getattr(owner, name)

    def dying(*arguments: object, **keywords: object) -> None:
        real(*arguments, **keywords)
        die()

    setattr(owner, name, dying)


def on_file(pattern: str) -> None:
    """Die when a file of that name is beside the output."""
    parent = Path(sys.argv[sys.argv.index("--output.path") + 1]).parent

    def watch() -> None:
        while not any(parent.glob(pattern)):
            pass
        die()

    threading.Thread(target=watch, daemon=True).start()


STAGED = ".out.staging-*/entity_run=*"
POINTS: dict[str, Callable[[], None]] = {
    "a task is writing": lambda: on_file(f"{STAGED}/_temporary/0/_temporary/attempt_*"),
    "first task committed": lambda: on_file(f"{STAGED}/_temporary/0/task_*"),
    "before audit": lambda: before(publish, "check_schema"),
    "after audit": lambda: before(lock.Lock, "check"),
    "between the renames": lambda: before(FileSystem, "rename", nth=2),
    "after publish": lambda: after(RunFolders, "put_in_place"),
}
BATCH_POINTS: dict[str, Callable[[], None]] = {
    "first batch published, not yet noted": lambda: after(RunFolders, "put_in_place"),
    "second batch audited, not yet published": lambda: before(RunFolders, "put_in_place", nth=2),
}


def main() -> int:
    """Run the job up to the point."""
    (POINTS | BATCH_POINTS)[sys.argv[1]]()
    return enrich.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
