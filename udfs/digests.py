"""SHA-256 of a checkpoint's files, read once by all processes that ask at the same time.

Enters: files. Leaves: digests. Must not import: pyspark, torch, transformers.

Workers of an executor load one model, from one file. The first of them reads it to the end, while
the others wait; what it found is noted in a folder that they share, under all that tells whether
the file is still the same.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock


def digest_files(paths: Sequence[Path], shared: Path | None = None) -> str:
    """Return the SHA-256 of a file; of the digests of several, in their order.

    Args:
        paths: the files.
        shared: folder of the processes that need not all read them; none reads for another when
            absent.

    """
    digests = [_noted(path, shared) if shared else _read(path, state_of(path)) for path in paths]
    return digests[0].hex() if len(digests) == 1 else hashlib.sha256(b"".join(digests)).hexdigest()


def state_of(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does, or when another is put in its place and taken away."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@functools.cache
def _read(path: Path, state: tuple[int, ...]) -> bytes:  # noqa: ARG001
    """Read a digest, once in this process for as long as the file is the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _noted(path: Path, shared: Path) -> bytes:
    """Return the digest that another process has noted, or read and note it."""
    state = state_of(path)
    key = hashlib.sha256(repr((str(path.resolve()), state)).encode()).hexdigest()
    note = shared / f"spark-entities-{key}"
    with FileLock(f"{note}.lock"):
        if not note.exists():
            unfinished = note.with_suffix(".part")
            unfinished.write_bytes(_read(path, state))
            unfinished.replace(note)
        return note.read_bytes()
