"""The recipe of a trained model: corpora, labels, vocabulary, hyper-parameters.

Enters: a YAML file. Leaves: a `Recipe`, checked. Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Vocabulary(_Section):
    """The corpora a new vocabulary is trained on, and its size in pieces."""

    num_pieces: int
    files: list[str]


class Corpus(_Section):
    """A CoNLL file, and how its entity types read in the terms of the model."""

    file: str
    rename: dict[str, str] = {}
    missing: list[str] = []
    repeat: int = 1


class Training(_Section):
    """Hyper-parameters of a training run."""

    epochs: int = 2
    max_sentences_per_text: int = 5
    max_padded_tokens: int = 3000
    learning_rate: float = 2e-4
    head_learning_rate: float = 1e-3
    warmup_fraction: float = 0.06
    weight_decay: float = 0.01
    seed: int = 0


class Recipe(_Section):
    """Everything that decides what a trained model becomes, but for the base it starts from.

    Either entity `types`, labelled by IOB2, or plain `tags`, such as parts of speech.
    """

    types: list[str] = []
    tags: list[str] = []
    vocabulary: Vocabulary | None = None
    corpora: list[Corpus]
    training: Training = Training()

    @model_validator(mode="after")
    def _has_labels(self) -> Recipe:
        if bool(self.types) == bool(self.tags):
            raise ValueError("give either types or tags")
        return self

    @property
    def labels(self) -> list[str]:
        """The labels of the model, in the order of their ids."""
        return self.tags or label_names(self.types)


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe."""
    return Recipe.model_validate(yaml.safe_load(path.read_text("utf-8")))


def label_names(types: Sequence[str]) -> list[str]:
    """List the IOB2 labels of some entity types.

    >>> label_names(["PER", "LOC"])
    ['O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC']
    """
    return ["O", *(f"{prefix}-{name}" for name in types for prefix in "BI")]
