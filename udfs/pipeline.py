"""Buffers of texts on their way through the hops, several at once, and what each of them cost.

Enters: buffers of texts, and the classifier whose hops they take. Leaves: result rows, in order.
Must not import: pyspark, torch, transformers.

Some threads encode, one gives the device its work, and the caller's waits for what the device says
and makes the rows. A buffer that fails is halved until the documents that fail are known.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from spark_entities.udfs.core.records import Cost, Encoding
from spark_entities.udfs.core.results import make_error_row
from spark_entities.udfs.errors import DeviceError, InferenceError

if TYPE_CHECKING:
    from spark_entities.udfs.classifier import TokenClassifier
    from spark_entities.udfs.forward import Launched

log = logging.getLogger("spark_entities.pipeline")

_BEHIND_ENCODERS = 3  # buffers: one waits for the device, one is on it, of one rows are made

Texts = Sequence[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """The result rows of one buffer, and what they cost."""

    rows: pa.StructArray
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class _Buffer:
    """A buffer on its way: its texts without repetitions, and what the hops make of them."""

    texts: Texts
    place: list[int]  # (num_rows,): which of the texts stands in each row
    encoding: Future[Encoding]
    launched: Future[Launched]


class Pipeline:
    """The threads of a classifier, for one run."""

    def __init__(self, classifier: TokenClassifier) -> None:
        self._classifier = classifier
        encoders = classifier.model.sizes.encoders
        self._buffers_at_once = encoders + _BEHIND_ENCODERS
        self._encoder = ThreadPoolExecutor(encoders, thread_name_prefix="encode")
        self._launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="launch")

    def run(self, buffers: Iterable[Texts]) -> Iterator[Classified]:
        """Classify buffers in turn, each while the rows of the one before it are made.

        Raises:
            DeviceError: if the device has become unusable, for whatever documents.

        """
        under_way: deque[_Buffer] = deque()
        try:
            for texts in buffers:
                under_way.append(self._start(texts))
                if len(under_way) == self._buffers_at_once:
                    yield self._finish(under_way.popleft())
            for buffer in under_way:
                yield self._finish(buffer)
        finally:
            self._encoder.shutdown(wait=False, cancel_futures=True)
            self._launcher.shutdown(wait=False, cancel_futures=True)

    def _start(self, texts: Texts) -> _Buffer:
        """Send a buffer on its way, each distinct text once."""
        places: dict[str | None, int] = {}
        place = [places.setdefault(text, len(places)) for text in texts]
        distinct = list(places)
        encoding = self._encoder.submit(self._classifier.encode, distinct)
        launched = self._launcher.submit(lambda: self._classifier.launch(encoding.result()))
        return _Buffer(texts=distinct, place=place, encoding=encoding, launched=launched)

    def _finish(self, buffer: _Buffer) -> Classified:
        """Wait for a buffer, and give each row the result of its text."""
        classified = self._collect(buffer)
        if len(buffer.texts) == len(buffer.place):
            return classified
        return replace(classified, rows=classified.rows.take(pa.array(buffer.place)))

    def _collect(self, buffer: _Buffer) -> Classified:
        """Make the rows of a buffer's texts; those that fail together are tried in halves."""
        texts, classifier = buffer.texts, self._classifier
        try:
            predictions = buffer.launched.result().collect()
            rows = classifier.decode(buffer.encoding.result(), predictions)
            return Classified(rows=rows, cost=predictions.cost)
        except (DeviceError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # what one document provokes, be it a panic of Rust's
            reason = _reason(error)
        if len(texts) == 1:
            log.warning("A document failed: %s.", reason)
            rows = make_error_row(reason, classifier.options, classifier.redact)
            return Classified(rows=rows, cost=Cost())
        log.warning("%d documents failed together (%s); trying halves.", len(texts), reason)
        middle = len(texts) // 2
        halves = [self._finish(self._start(half)) for half in (texts[:middle], texts[middle:])]
        return Classified(
            rows=pa.concat_arrays([half.rows for half in halves]),
            cost=sum((half.cost for half in halves), Cost()),
        )


def _reason(error: BaseException) -> str:
    """Say why a document failed; only our own messages are known not to quote it."""
    if isinstance(error, InferenceError):
        return str(error)
    return f"{type(error).__name__} while classifying"
