"""Which files of an input were published, and which are new: by what was published, not by dates.

Enters: the input as a whole. Leaves: calls with one batch of new files each, and a note of each.
Must not import: torch, transformers. Needs classic Spark.

    .<name>.incremental/pending.json        beside the output: the batch that is under way
    .<name>.incremental/seen/<batch>.json   the files of a batch that was published

A file is known by its path; one that was moved, by its size and its time to the millisecond, while
nothing is left where it was.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from urllib.parse import unquote

from pyspark.sql import DataFrame

from spark_entities.jobs.output.base import Output
from spark_entities.jobs.output.filesystem import LOCAL, FileSystem
from spark_entities.jobs.tables.reading import bytes_to_read
from spark_entities.udfs.errors import ConfigError, PublishError

log = logging.getLogger("spark_entities.enrichment")

_MOVED = "moved-"


@dataclass(frozen=True, slots=True, order=True)
class File:
    """A file of the input; in order of their times, the oldest first."""

    modified: int  # milliseconds since 1970, UTC
    path: str  # as Spark writes it, with escapes
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that are published together, as a run."""

    run: str
    files: Sequence[File]

    def to_json(self) -> str:
        """Write it out."""
        files = [[file.modified, file.path, file.size] for file in self.files]
        return json.dumps({"run": self.run, "files": files})

    @classmethod
    def from_json(cls, text: str) -> Batch:
        """Read it. Raises ValueError, KeyError or TypeError if it is none."""
        found = json.loads(text)
        return cls(str(found["run"]), [File(*each) for each in found["files"]])


@dataclass(frozen=True, slots=True)
class SeenFiles:
    """What is remembered beside an output, which is held."""

    output: Output

    @property
    def _pending(self) -> str:
        return f"{self.output.beside('incremental')}/pending.json"

    @property
    def _seen(self) -> str:
        return f"{self.output.beside('incremental')}/seen"

    def pending(self) -> Batch | None:
        """Return the batch that was under way when a run ended."""
        return self._read(self._pending)

    def batches(self) -> list[Batch]:
        """Return the batches that were published, and what was found to have moved."""
        names = sorted(self.output.files.children(self._seen))
        read = (self._read(f"{self._seen}/{name}") for name in names if name[0] != ".")
        return [batch for batch in read if batch is not None]

    def _read(self, path: str) -> Batch | None:
        text = self.output.files.read(path)
        if text is None or (path == self._pending and not text):
            return None
        try:
            return Batch.from_json(text)
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                f"{path}, which tells what files were published, was cut off or changed. Restore "
                f"it, or choose another output.path, to which all files are new."
            ) from None

    def begin(self, batch: Batch) -> None:
        """Note a batch before it is published."""
        self.output.files.delete(self._pending)
        self.output.files.create(self._pending, batch.to_json())

    def end(self, batch: Batch) -> None:
        """Note that a batch was published."""
        self.note(batch)
        self.output.files.delete(self._pending)

    def note(self, batch: Batch) -> None:
        """Note that files are not new, whatever batch is under way."""
        self.output.files.create(f"{self._seen}/{batch.run}.json", batch.to_json())


def for_each_batch_of_files(
    documents: DataFrame,
    size: int,
    output: Output,
    publish_batch: Callable[[DataFrame, str], None],
) -> None:
    """Publish the files of an input that no earlier run has published, some at a time.

    Args:
        documents: the input as a whole.
        size: files of a batch, at most.
        output: held.
        publish_batch: called with a batch and its name, unless the output has it already.

    """
    seen = SeenFiles(output)
    pending = seen.pending()
    if pending is not None and output.has(pending.run):
        seen.end(pending)  # its run died before it could note so
        pending = None
    published = seen.batches()
    new = _find_new(documents, published, seen)
    for batch in _plan_batches(new, published, pending, size):
        seen.begin(batch)
        publish_batch(_only(documents, batch.files), batch.run)
        seen.end(batch)


def _find_new(documents: DataFrame, published: Sequence[Batch], seen: SeenFiles) -> list[File]:
    """List the files that were not published, the oldest first; note those that have but moved."""
    known = {file.path: file for batch in published for file in batch.files}
    found = {path.replace("file:///", f"{LOCAL}/", 1) for path in documents.inputFiles()}
    files = FileSystem(documents.sparkSession, min(found, default="/"))
    new = {file for path in found - known.keys() if (file := _look_at(files, path)) is not None}
    moved = _find_moved(new, [known[path] for path in known.keys() - found], published, files)
    if moved:
        log.warning(
            "%d files were left out: they have the size and the time of files that were published, "
            "and that are gone from where they were. Touch a file to have it published.",
            len(moved),
        )
        seen.note(Batch(f"{_MOVED}{secrets.token_hex(4)}", sorted(moved)))
    return sorted(new - moved)


def _plan_batches(
    new: Sequence[File], published: Sequence[Batch], pending: Batch | None, size: int
) -> Iterator[Batch]:
    """Plan batches of what is new; first of all, the one that a run was at when it died."""
    under_way = [pending] if pending else []
    runs = [batch.run for batch in (*published, *under_way) if not batch.run.startswith(_MOVED)]
    numbers = [int(run.rpartition("-")[2]) for run in runs]
    name = runs[0].rpartition("-")[0] if runs else f"batch-{secrets.token_hex(4)}"
    left = {file.path: file for file in new}
    for batch in under_way:
        there = [left.pop(file.path) for file in batch.files if file.path in left]
        if len(there) < len(batch.files):
            gone = len(batch.files) - len(there)
            log.warning("%d files of %s, at which a run stopped, are gone.", gone, batch.run)
        if there:
            yield Batch(batch.run, there)
    rest = [*left.values()]
    for number, first in enumerate(range(0, len(rest), size), max(numbers, default=-1) + 1):
        yield Batch(f"{name}-{number:06d}", rest[first : first + size])


def _look_at(files: FileSystem, path: str) -> File | None:
    """Return a file as it is now; nothing if it is gone since it was listed."""
    there = files.look_at(unquote(path))
    return there and File(there.modified, path, there.size)


def _find_moved(
    new: Set[File], missing: Sequence[File], published: Sequence[Batch], files: FileSystem
) -> set[File]:
    """Find what was published under another name; of what is missing, each is found once."""

    def looks(file: File) -> tuple[int, int]:
        return file.size, file.modified

    alike = {*map(looks, new)}
    gone = Counter(
        looks(file)
        for file in missing
        if looks(file) in alike and not files.exists(unquote(file.path))
    )
    before = (batch.files for batch in published if batch.run.startswith(_MOVED))
    gone -= Counter(map(looks, chain.from_iterable(before)))
    moved = set()
    for file in new:
        if gone[looks(file)] > 0:
            gone[looks(file)] -= 1
            moved.add(file)
    return moved


def _only(documents: DataFrame, files: Sequence[File]) -> DataFrame:
    """Return the documents of some files; Spark opens no others.

    Raises:
        PublishError: if that is not what Spark is about to read.

    """
    path = documents.metadataColumn("_metadata")["file_path"]
    chosen = documents.where(path.isin([file.path for file in files]))
    wanted, found = sum(file.size for file in files), bytes_to_read(chosen)
    if wanted != found:
        raise PublishError(
            f"the {len(files)} new files had {wanted} bytes when they were listed, and {found} are "
            f"to be read: they were changed meanwhile. Nothing more was published; run it again."
        )
    return chosen
