"""The engine: `encode`, `forward`, `decode`, and the model they share.

Enters: texts. Leaves: one Arrow struct a text, of the type `results.result_type(strategy)`.
Must not import: pyspark.

    encode   text ▶ token ids + character offsets ▶ windows
    forward  windows ▶ padded batches ▶ label id + score per token
    decode   tokens ▶ words ▶ entities
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
import torch

from udfs.aggregation import find_entities, needs_probabilities
from udfs.arrays import Ints
from udfs.batching import lay_out, plan_batches
from udfs.errors import InferenceError
from udfs.model import LoadedModel, load_model
from udfs.options import ClassifyOptions, ModelOptions
from udfs.records import Encoding, Predictions
from udfs.results import make_error_rows, make_rows
from udfs.text import Text
from udfs.windows import cut_windows
from udfs.words import find_words

log = logging.getLogger("spark_entities.classifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class _BatchCosts:
    """How large batches should be on a device, and what a batch costs beside its tokens."""

    max_padded_tokens: int
    batch_cost_tokens: int


# Small batches stay in a CPU's cache, large ones fill a GPU. `jobs.benchmark sweep` measures them.
_BATCH_COSTS = {
    "cpu": _BatchCosts(max_padded_tokens=1024, batch_cost_tokens=32),
    "cuda": _BatchCosts(max_padded_tokens=32_768, batch_cost_tokens=1024),
}


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

    >>> from udfs import TokenClassifier
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

    def classify(self, texts: Sequence[str | None]) -> pa.StructArray:
        """Classify some texts at once: one row each, in their order.

        Null text gives null entities; a text that fails gives null entities and an error.
        """
        return pa.concat_arrays([batch.rows for batch in self.classify_buffers([texts])])

    def classify_buffers(self, buffers: Iterable[Sequence[str | None]]) -> Iterator[Classified]:
        """Classify buffers of texts in turn, each while the next one is being encoded.

        Texts that are the same in a buffer are classified once.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="encode") as pool:
            pending: deque[tuple[_Distinct, Future[Encoding]]] = deque()
            for texts in buffers:
                distinct = _Distinct.of(texts)
                pending.append((distinct, pool.submit(self.encode, distinct.texts)))
                if len(pending) == 2:
                    earlier, encoding = pending.popleft()
                    yield earlier.repeat(self._classify(earlier.texts, encoding.result))
            for last, encoding in pending:
                yield last.repeat(self._classify(last.texts, encoding.result))

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

    @torch.inference_mode()
    def forward(self, encoding: Encoding) -> Predictions:
        """Run the model over all windows and keep, of each token, what its owner says."""
        started = time.monotonic()
        windows = encoding.windows
        num_tokens, num_labels = len(encoding.tokens.ids), len(self.model.scheme.labels)
        label_ids = np.zeros(num_tokens, dtype=np.int64)
        scores = np.zeros(num_tokens, dtype=np.float32)
        probabilities = None
        if needs_probabilities(self.options.aggregation_strategy):
            probabilities = np.zeros((num_tokens, num_labels), dtype=np.float32)
        frame = self.model.frame
        costs = _BATCH_COSTS.get(self.model.device.type, _BATCH_COSTS["cuda"])
        lengths = windows.ends - windows.starts + frame.num_special_tokens
        num_padded_tokens = 0
        batches = plan_batches(
            lengths,
            max_padded_tokens=self.options.max_padded_tokens or costs.max_padded_tokens,
            batch_cost_tokens=costs.batch_cost_tokens,
        )
        for rows in batches:
            batch = lay_out(encoding.tokens.ids, windows, rows, frame)
            num_padded_tokens += batch.input_ids.size
            logits = self.model.network(
                input_ids=self._on_device(batch.input_ids),
                attention_mask=self._on_device(batch.attention_mask),
            ).logits
            # float32, (rows, width, num_labels)
            distribution = logits.float().softmax(dim=-1)
            best = distribution.max(dim=-1)
            sound = logits.isfinite().all(dim=-1)
            targets = batch.token_index[batch.owned]
            label_ids[targets] = best.indices.cpu().numpy()[batch.owned]
            scores[targets] = best.values.where(sound, torch.nan).cpu().numpy()[batch.owned]
            if probabilities is not None:
                probabilities[targets] = distribution.cpu().numpy()[batch.owned]
        if not np.isfinite(scores).all():
            raise InferenceError("the model gave a score that is not a finite number")
        return Predictions(
            label_ids=label_ids,
            scores=scores,
            probabilities=probabilities,
            num_model_tokens=int(lengths.sum()),
            num_padded_tokens=num_padded_tokens,
            forward_seconds=time.monotonic() - started,
        )

    def _on_device(self, array: Ints | None) -> torch.Tensor | None:
        return None if array is None else torch.from_numpy(array).to(self.model.device)

    def decode(self, encoding: Encoding, predictions: Predictions) -> pa.StructArray:
        """Join tokens to words and words to entities, over whole documents."""
        strategy = self.options.aggregation_strategy
        scheme = replace(self.model.scheme, merges_plain=self.options.merge_plain_labels)
        entities, splits = find_entities(encoding.tokens, predictions, scheme, strategy)
        return make_rows(encoding, entities, splits, scheme, strategy)

    def _classify(self, texts: Sequence[str | None], encode: Callable[[], Encoding]) -> Classified:
        """Classify a buffer; one that fails is halved until the documents that fail are known."""
        try:
            encoding = encode()
            predictions = self.forward(encoding)
            return Classified(
                rows=self.decode(encoding, predictions),
                num_model_tokens=predictions.num_model_tokens,
                num_padded_tokens=predictions.num_padded_tokens,
                forward_seconds=predictions.forward_seconds,
            )
        except Exception as error:  # whatever one document provokes, the others go on
            reason = _reason(error)
        if len(texts) == 1:
            log.warning("A document failed: %s.", reason)
            rows = make_error_rows([reason], self.options.aggregation_strategy)
            return Classified(rows=rows)
        log.warning("%d documents failed together (%s); trying halves.", len(texts), reason)
        middle = len(texts) // 2
        halves = [
            self._classify(half, partial(self.encode, half))
            for half in (texts[:middle], texts[middle:])
        ]
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
