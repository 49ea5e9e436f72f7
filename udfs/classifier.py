"""The engine: `encode`, `forward`, `decode`, and the model they share.

Enters: texts. Leaves: one Arrow struct a text, of the type `results.result_type`.
Must not import: pyspark.

    encode   text ▶ token ids + character offsets ▶ windows
    forward  windows ▶ padded batches ▶ label id + score per token
    decode   tokens ▶ words ▶ entities
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from spark_entities.udfs.arguments import check_type, read_options
from spark_entities.udfs.core.aggregation import find_entities, needs_probabilities
from spark_entities.udfs.core.graphemes import whole_characters
from spark_entities.udfs.core.records import Encoding, Predictions
from spark_entities.udfs.core.results import make_rows
from spark_entities.udfs.core.text import Text
from spark_entities.udfs.core.windows import cut_windows
from spark_entities.udfs.core.words import find_words
from spark_entities.udfs.errors import ConfigError, InferenceError
from spark_entities.udfs.forward import Launched, launch
from spark_entities.udfs.model import LoadedModel, load_model
from spark_entities.udfs.options import ClassifyOptions, ModelOptions, RedactOptions
from spark_entities.udfs.pipeline import Classified, Pipeline


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
    redact: RedactOptions | None = None

    @classmethod
    def load(
        cls,
        model_options: ModelOptions | str | None = None,
        classify_options: ClassifyOptions | None = None,
        device: str | None = None,
        *,
        redact: RedactOptions | None = None,
    ) -> TokenClassifier:
        """Load a model, by default the bundled one, on a GPU if there is one.

        Args:
            model_options: which checkpoint, by its options or its name; see `ModelOptions`.
            classify_options: how to classify; see `ClassifyOptions`.
            device: as torch names it, `cpu` or `cuda:1`.
            redact: which mentions to take out of the texts; see `RedactOptions`.

        Raises:
            ModelLoadError: if the checkpoint is missing, incomplete or inconsistent.
            ConfigError: if an argument is of another type, if the stride does not fit the model's
                window, or it does not know a group.

        """
        model, options = read_options(model_options, classify_options)
        if redact is not None:
            check_type("redact", redact, RedactOptions)
        return cls(model=load_model(model, device), options=options, redact=redact)

    def __post_init__(self) -> None:
        self.options.check_window(self.model.capacity)
        self.options.check_groups(self.model.scheme.groups)
        if self.redact is not None:
            self.redact.check_fits(self.options.aggregation_strategy, self.model.scheme.groups)

    @property
    def buffer_chars(self) -> int:
        """How many characters of text to classify at once, where there are more."""
        return self.options.buffer_chars or self.model.sizes.buffer_chars

    @property
    def first_buffer_chars(self) -> int:
        """How many to begin with: few, where a GPU waits, and many, where windows are sorted."""
        return max(1, self.buffer_chars // self.model.sizes.first_share)

    def classify(self, texts: Sequence[str | None]) -> pa.StructArray:
        """Classify some texts at once: one row each, in their order.

        Null text gives null entities; a text that fails gives null entities and an error.

        Raises:
            ConfigError: for one string, whose letters would be texts.

        """
        if isinstance(texts, str):
            raise ConfigError("texts is one string. Give a list of them.")
        return pa.concat_arrays([batch.rows for batch in self.classify_buffers([texts])])

    def classify_buffers(self, buffers: Iterable[Sequence[str | None]]) -> Iterator[Classified]:
        """Classify buffers of texts in turn.

        While the model runs over one buffer, the rows of the last are made and the next is encoded.
        Texts that are the same in a buffer are classified once.
        """
        return Pipeline(self).run(buffers)

    def encode(self, texts: Sequence[str | None]) -> Encoding:
        """Tokenise documents whole, without truncation, and cut their windows.

        Raises:
            InferenceError: if one of them is longer than `classify.max_document_chars`.

        """
        most = self.options.max_document_chars
        if any(text is not None and len(text) > most for text in texts):
            raise InferenceError(f"longer than classify.max_document_chars={most} characters")
        text = Text.join(texts)
        tokens = find_words(text, *self.model.tokenizer.tokenize(text), self.model.vocabulary)
        windows = cut_windows(
            tokens.row_splits,
            tokens.starts_word,
            window_tokens=self.options.window_tokens(self.model.capacity),
            stride=self.options.stride,
        )
        return Encoding(text=text, tokens=tokens, windows=windows)

    def forward(self, encoding: Encoding) -> Predictions:
        """Run the model over all windows and keep, of each token, what its owner says."""
        return self.launch(encoding).collect()

    def launch(self, encoding: Encoding) -> Launched:
        """Begin `forward`: give the device its work, and do not wait until it is done."""
        return launch(
            self.model,
            encoding,
            max_padded_tokens=self.options.max_padded_tokens,
            with_probabilities=needs_probabilities(self.options.aggregation_strategy),
        )

    def decode(self, encoding: Encoding, predictions: Predictions) -> pa.StructArray:
        """Join tokens to words and words to entities, over whole documents."""
        strategy = self.options.aggregation_strategy
        scheme = replace(self.model.scheme, merges_plain=self.options.merge_plain_labels)
        entities = find_entities(encoding.tokens, predictions, scheme, strategy)
        offsets = whole_characters(encoding.text, entities.offsets)
        entities = replace(entities, offsets=offsets)
        return make_rows(encoding, entities, scheme, self.options, self.redact)
