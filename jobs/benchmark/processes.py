"""What the operating system says of processes, on Linux."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from spark_entities.udfs.options import ModelOptions


def peak_mib(mark: str) -> int:
    """Return the peak of resident memory of the largest process with a mark in its environment."""
    peak = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                peak = max(peak, status_mib(process, "VmHWM"))
        except (OSError, IndexError):  # ended meanwhile, or not ours to read
            continue
    return peak


def status_mib(process: Path, name: str) -> int:
    """Return a figure of `/proc/<pid>/status` in MiB."""
    return int((process / "status").read_text().split(f"{name}:")[1].split()[0]) // 1024


def shared_memory(model: str, workers: int) -> tuple[int, int, int]:
    """Load a model in some processes at once, as the workers of one host do, and use it.

    Returns:
        In MiB: the resident memory of one process; its private part; the memory of all of them,
        pages they share counted once.

    """
    spawn = multiprocessing.get_context("spawn")
    pipes = [spawn.Pipe() for _ in range(workers)]
    processes = [
        spawn.Process(target=_hold, args=(model, child), daemon=True) for _, child in pipes
    ]
    for process, (_, child) in zip(processes, pipes, strict=True):
        process.start()
        child.close()  # so that a process that dies ends the wait for it
    for parent, _ in pipes:
        parent.recv()
    maps = [_rollup(process.pid or 0) for process in processes]
    for (parent, _), process in zip(pipes, processes, strict=True):
        parent.send("done")
        process.join()
    private = maps[0]["Private_Dirty"] + maps[0]["Private_Clean"]
    return maps[0]["Rss"] >> 10, private >> 10, sum(each["Pss"] for each in maps) >> 10


def _hold(model: str, pipe: Connection) -> None:
    from spark_entities.udfs.classifier import TokenClassifier

    classifier = TokenClassifier.load(ModelOptions(name=model, precision="float32"), device="cpu")
    classifier.classify(["Emma woont in Londen."])
    pipe.send("ready")
    pipe.recv()


def _rollup(pid: int) -> dict[str, int]:
    """Read `/proc/<pid>/smaps_rollup`, in KiB."""
    lines: Sequence[str] = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}
