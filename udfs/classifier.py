"""The engine: `encode`, `forward`, `decode`, and the model they share.

Enters: texts. Leaves: one Arrow struct a text, of the type `results.result_type(strategy)`.
Must not import: pyspark.

    encode   text ▶ token ids + character offsets ▶ windows
    forward  windows ▶ padded batches ▶ label id + score per token
    decode   tokens ▶ words ▶ entities
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from spark_entities.udfs.core.aggregation import find_entities, needs_probabilities
from spark_entities.udfs.core.arrays import Ints
from spark_entities.udfs.core.records import Encoding, Predictions
from spark_entities.udfs.core.results import make_error_rows, make_rows
from spark_entities.udfs.core.text import Text
from spark_entities.udfs.core.windows import cut_windows
from spark_entities.udfs.core.words import find_words
from spark_entities.udfs.errors import DeviceError, InferenceError
from spark_entities.udfs.forward import predict, sizes_for
from spark_entities.udfs.model import LoadedModel, load_model
from spark_entities.udfs.options import ClassifyOptions, ModelOptions

log = logging.getLogger("spark_entities.classifier")

_BUFFERS_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """The result rows of one buffer, and what they cost; see `Predictions`."""

    rows: pa.StructArray
    num_model_tokens: int = 0
    num_padded_tokens: int = 0
    forward_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Distinct:
    """The texts of a buffer without repetitions, and which of them stands in each row."""

    texts: list[str | None]
    place: Ints  # (num_rows,)

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> _Distinct:
        """Rank texts by where they come first."""
        places: dict[str | None, int] = {}
        place = [places.setdefault(text, len(places)) for text in texts]
        return cls(texts=list(places), place=np.array(place, dtype=np.int64))

    def repeat(self, classified: Classified) -> Classified:
        """Give each row the result of its text."""
        if len(self.texts) == len(self.place):
            return classified
        return replace(classified, rows=classified.rows.take(pa.array(self.place)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClassifier:
    """Token classification of texts of any length.

    >>> from spark_entities import TokenClassifier
    >>> classifier = TokenClassifier.load()
    >>> rows = classifier.classify(["Mijn naam is Emma en ik woon in Londen."])
    >>> [entity["word"] for entity in rows[0].as_py()["entities"]]
    ['Emma', 'Londen']
    """

    model: LoadedModel
    options: ClassifyOptions

    @classmethod
    def load(
        cls,
        model_options: ModelOptions | None = None,
        classify_options: ClassifyOptions | None = None,
        device: str | None = None,
    ) -> TokenClassifier:
        """Load a model, by default the bundled one, on a GPU if there is one.

        Args:
            model_options: which checkpoint; see `ModelOptions`.
            classify_options: how to classify; see `ClassifyOptions`.
            device: as torch names it, `cpu` or `cuda:1`.

        Raises:
            ModelLoadError: if the checkpoint is missing, incomplete or inconsistent.
            ConfigError: if the stride does not fit the model's window.

        """
        model = load_model(model_options or ModelOptions(), device)
        return cls(model=model, options=classify_options or ClassifyOptions())

    def __post_init__(self) -> None:
        self.options.window_tokens(self.model.capacity)

    @property
    def buffer_chars(self) -> int:
        """How many characters of text to classify at once, where there are more."""
        return self.options.buffer_chars or sizes_for(self.model.device).buffer_chars

    def classify(self, texts: Sequence[str | None]) -> pa.StructArray:
        """Classify some texts at once: one row each, in their order.

        Null text gives null entities; a text that fails gives null entities and an error.
        """
        return pa.concat_arrays([batch.rows for batch in self.classify_buffers([texts])])

    def classify_buffers(self, buffers: Iterable[Sequence[str | None]]) -> Iterator[Classified]:
        """Classify buffers of texts in turn.

        While the model runs over one buffer, the rows of the last are made and the next is encoded.
        Texts that are the same in a buffer are classified once.
        """
        with _Pipeline(self) as pipeline:
            running: deque[tuple[_Distinct, _Running]] = deque()
            for texts in buffers:
                distinct = _Distinct.of(texts)
                running.append((distinct, pipeline.start(distinct.texts)))
                if len(running) == _BUFFERS_AT_ONCE:
                    first, classifying = running.popleft()
                    yield first.repeat(pipeline.finish(classifying))
            for last, classifying in running:
                yield last.repeat(pipeline.finish(classifying))

    def encode(self, texts: Sequence[str | None]) -> Encoding:
        """Tokenise documents whole, without truncation, and cut their windows.

        Raises:
            InferenceError: if one of them is longer than `classify.max_document_chars`.

        """
        most = self.options.max_document_chars
        if any(text is not None and len(text) > most for text in texts):
            raise InferenceError(f"longer than classify.max_document_chars={most} characters")
        text = Text.join(texts)
        ids, offsets, token_splits = self.model.tokenizer.tokenize(text)
        tokens = find_words(
            codepoints=text.codepoints,
            char_splits=text.row_splits,
            token_ids=self.model.text_ids[ids],
            token_offsets=offsets,
            token_splits=token_splits,
            continuation_ids=self.model.continuation_ids,
            word_start_ids=self.model.word_start_ids,
        )
        windows = cut_windows(
            token_splits,
            tokens.starts_word,
            window_tokens=self.options.window_tokens(self.model.capacity),
            stride=self.options.stride,
        )
        return Encoding(text=text, tokens=tokens, windows=windows)

    def forward(self, encoding: Encoding) -> Predictions:
        """Run the model over all windows and keep, of each token, what its owner says."""
        return predict(
            self.model,
            encoding,
            max_padded_tokens=self.options.max_padded_tokens,
            with_probabilities=needs_probabilities(self.options.aggregation_strategy),
        )

    def decode(self, encoding: Encoding, predictions: Predictions) -> pa.StructArray:
        """Join tokens to words and words to entities, over whole documents."""
        strategy = self.options.aggregation_strategy
        scheme = replace(self.model.scheme, merges_plain=self.options.merge_plain_labels)
        entities, splits = find_entities(encoding.tokens, predictions, scheme, strategy)
        return make_rows(encoding, entities, splits, scheme, strategy)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """A buffer on its way through the pipeline."""

    texts: Sequence[str | None]
    encoding: Future[Encoding]
    predictions: Future[Predictions]


class _Pipeline:
    """Two threads, one that encodes and one that runs the model; rows are made by the caller's."""

    def __init__(self, classifier: TokenClassifier) -> None:
        self._classifier = classifier
        self._encoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encode")
        self._forwarder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forward")

    def __enter__(self) -> _Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._encoder.shutdown(wait=False, cancel_futures=True)
        self._forwarder.shutdown(wait=False, cancel_futures=True)

    def start(self, texts: Sequence[str | None]) -> _Running:
        """Send a buffer on its way."""
        encoding = self._encoder.submit(self._classifier.encode, texts)
        predictions = self._forwarder.submit(lambda: self._classifier.forward(encoding.result()))
        return _Running(texts=texts, encoding=encoding, predictions=predictions)

    def finish(self, running: _Running) -> Classified:
        """Wait for a buffer; one that fails is halved until the documents that fail are known.

        Raises:
            DeviceError: if the device has become unusable, for whatever documents.

        """
        texts, classifier = running.texts, self._classifier
        try:
            predictions = running.predictions.result()
            return Classified(
                rows=classifier.decode(running.encoding.result(), predictions),
                num_model_tokens=predictions.num_model_tokens,
                num_padded_tokens=predictions.num_padded_tokens,
                forward_seconds=predictions.forward_seconds,
            )
        except DeviceError:
            raise
        except Exception as error:  # whatever one document provokes, the others go on
            reason = _reason(error)
        if len(texts) == 1:
            log.warning("A document failed: %s.", reason)
            rows = make_error_rows([reason], classifier.options.aggregation_strategy)
            return Classified(rows=rows)
        log.warning("%d documents failed together (%s); trying halves.", len(texts), reason)
        middle = len(texts) // 2
        halves = [self.finish(self.start(half)) for half in (texts[:middle], texts[middle:])]
        return Classified(
            rows=pa.concat_arrays([half.rows for half in halves]),
            num_model_tokens=sum(half.num_model_tokens for half in halves),
            num_padded_tokens=sum(half.num_padded_tokens for half in halves),
            forward_seconds=sum(half.forward_seconds for half in halves),
        )


def _reason(error: Exception) -> str:
    """Say why a document failed; only our own messages are known not to quote it."""
    if isinstance(error, InferenceError):
        return str(error)
    return f"{type(error).__name__} while classifying"
