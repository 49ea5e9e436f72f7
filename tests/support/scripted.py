"""A scripted model: words of single letters, whose labels depend on the token alone.

The tokenizer is real, trained on nothing: letters are pieces, `##x` goes on with a word.
The network is a table from token id to logits, so what it says is known, and what the engine makes
of it can be written down by hand.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.core.batching import Frame
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.core.records import Vocabulary
from spark_entities.udfs.core.tokenization import ChunkTokenizer
from spark_entities.udfs.model import LoadedModel
from spark_entities.udfs.options import ClassifyOptions, RedactOptions

LABELS = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


class TableNetwork(torch.nn.Module):
    """Logits by token id. Remembers the shape of every batch; fails if told to."""

    def __init__(
        self,
        logits: torch.Tensor,
        *,
        poison_id: int | None = None,
        memory_tokens: int = sys.maxsize,
    ) -> None:
        super().__init__()
        self.logits = logits  # (vocabulary size, num_labels)
        self.poison_id = poison_id
        self.poison: Exception = RuntimeError("the model saw: a secret document")
        self.memory_tokens = memory_tokens  # a larger batch does not fit
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
        self.shapes.append(tuple(input_ids.shape))
        if self.poison_id is not None and (input_ids == self.poison_id).any():
            raise self.poison
        if input_ids.numel() > self.memory_tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return SimpleNamespace(logits=self.logits[input_ids])


def make_tokenizer() -> Tokenizer:
    """Letters as WordPiece pieces: `ab` is `a`, `##b`."""
    pieces = [*SPECIAL, *string.ascii_letters, *(f"##{letter}" for letter in string.ascii_letters)]
    pieces += list(".,()'-")
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=None, special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def make_classifier(
    script: Mapping[str, str],
    *,
    id2label: Mapping[int, str] = LABELS,
    max_positions: int = 512,
    poison: str | None = None,
    memory_tokens: int = sys.maxsize,
    redact: RedactOptions | None = None,
    **options: object,
) -> TokenClassifier:
    """Make a classifier that gives each piece of `script` its label, and `O` to all others."""
    tokenizer = make_tokenizer()
    vocabulary = tokenizer.get_vocab()
    names = {label: index for index, label in id2label.items()}
    logits = torch.zeros(len(vocabulary), len(id2label))
    logits[:, names.get("O", 0)] = 4.0
    for piece, label in script.items():
        logits[vocabulary[piece]] = 0.0
        logits[vocabulary[piece], names[label]] = 4.0
    continuation = np.zeros(len(vocabulary), dtype=bool)
    continuation[[index for piece, index in vocabulary.items() if piece.startswith("##")]] = True
    model = LoadedModel(
        network=TableNetwork(
            logits,
            poison_id=vocabulary[poison] if poison else None,
            memory_tokens=memory_tokens,
        ),
        tokenizer=ChunkTokenizer(tokenizer),
        scheme=LabelScheme.from_id2label(id2label),
        device=torch.device("cpu"),
        max_positions=max_positions,
        frame=Frame(prefix_ids=np.array([0]), suffix_ids=np.array([2]), pad_token_id=1),
        vocabulary=Vocabulary(
            text_ids=np.arange(len(vocabulary), dtype=np.int32),
            continuation_ids=continuation,
            word_start_ids=np.zeros(len(vocabulary), dtype=bool),
        ),
    )
    classify = ClassifyOptions(**{"stride": 0, **options})  # type: ignore[arg-type]
    return TokenClassifier(model=model, options=classify, redact=redact)


def found(classifier: TokenClassifier, text: str) -> list[tuple[str, str]]:
    """Classify one text; return words and groups (or labels, with strategy `none`)."""
    entities = classifier.classify([text])[0].as_py()["entities"]
    return [(e["word"], e.get("entity_group") or e["entity"]) for e in entities]
