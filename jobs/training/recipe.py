"""The recipe of a trained model: corpora, labels, hyper-parameters.

Enters: a YAML file. Leaves: a `Recipe`, checked, or a `ConfigError` that names key, value and fix.
Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from spark_entities.jobs.config import Energy, Section, read_yaml, validate
from spark_entities.udfs.errors import ConfigError


class Encoder(Section):
    """How much is taken of a larger encoder: its lower layers, and the pieces that files need."""

    num_layers: int = Field(ge=1)
    num_pieces: int = Field(ge=1)
    files: list[str] = Field(min_length=1)


class Corpus(Section):
    """A CoNLL file, and how its tags read in the terms of the model."""

    file: str
    """Name of the file in the folder of corpora."""

    part: tuple[float, float] = (0.0, 1.0)
    """Which of its sentences: from this share of them up to that."""

    repeat: int = Field(default=1, ge=1)
    """How often each sentence is read in one pass, grouped anew each time."""

    rename: dict[str, str] = {}
    """Types of the corpus, in the model's terms. One that ends up unknown counts as outside."""

    missing: list[str] = []
    """Types that the corpus does not annotate: its `O` means "O or one of these"."""

    allow: dict[str, list[str]] = {}
    """For tags that leave something open: the types or labels that such a word may have.

    A tag may be narrowed by the word's first letter, as in `lone capital ADJ` (`texts.case_tags`).
    """

    licence: str = "not stated"
    """Licence of the corpus, for the model card."""

    @model_validator(mode="after")
    def _check_part(self) -> Corpus:
        start, end = self.part
        if not 0 <= start < end <= 1:
            raise ConfigError(
                f"part={list(self.part)} of {self.file} holds nothing. Give two numbers of 0 to 1, "
                f"the smaller first."
            )
        return self


class Training(Section):
    """Hyper-parameters of a training run."""

    epochs: int = Field(default=2, ge=1)
    """Passes over the corpora, at most."""

    max_sentences_per_text: int | None = Field(default=32, ge=1)
    """A text is 1 to so many neighbouring sentences, short ones being more; an article when null.

    Half of the texts are one sentence; about as many words are in texts of 1 sentence as in those
    of 2 and 3, of 4 to 7, and so on.
    """

    broken_encoding: float = Field(default=0.0, ge=0, le=1)
    """Share of the texts that are read as if their UTF-8 were Latin-1: `Ã«` for `ë`."""

    shifted_positions: float = Field(default=0.0, ge=0, le=1)
    """Share of the windows that are read as if they stood anywhere in a longer one.

    So the last positions are learnt as well as the first, which short texts have alone.
    """

    stride: int = Field(default=64, ge=0)
    """Overlap of the windows of a text that is longer than the model's capacity, in tokens."""

    max_padded_tokens: int = Field(default=3000, ge=1)
    """Budget of one batch in tokens, padding counted, over all processes."""

    learning_rate: float = Field(default=2e-4, gt=0)
    """Peak rate of the encoder."""

    head_learning_rate: float = Field(default=1e-3, gt=0)
    """Peak rate of the classification head."""

    warmup_fraction: float = Field(default=0.06, ge=0, le=1)
    """Share of the steps in which the rates rise; then they fall to zero."""

    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's weight decay."""

    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout of every layer; the base model's own when absent."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What matrices are multiplied in; `auto`: bfloat16 where it is native. Weights are float32."""

    evaluations_per_epoch: int = Field(default=1, ge=1)
    """How often the development corpora are scored."""

    patience: int | None = Field(default=None, ge=1)
    """Stop after so many evaluations without a better score; never when absent."""

    checkpoint_steps: int = Field(default=200, ge=1)
    """How often to write the checkpoint that a stopped run goes on from."""

    seed: int = 0
    """Decides the head's first weights, the order of texts, and dropout."""

    averaged_runs: int = Field(default=1, ge=1)
    """How often the base is trained; the output has the mean of what came out.

    The runs differ by their seeds: seed, seed + 1 and so on. The first weights are the same.
    """


class Recipe(Section):
    """Everything that decides what a trained model becomes, but for the base it starts from.

    Either entity `types`, labelled by IOB2, or plain `tags`, such as parts of speech.
    """

    types: list[str] = []
    tags: list[str] = []
    encoder: Encoder | None = None
    corpora: list[Corpus] = Field(min_length=1)
    development: list[Corpus] = []
    outside: list[str] = []
    """Words that are no name where a corpus leaves it open, spelt so: weekdays, titles."""
    training: Training = Training()
    energy: Energy = Energy()
    licence: str | None = None
    """Licence of the trained weights, for the model card."""

    languages: list[str] = []
    """Codes of the languages, for the model card."""

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        if bool(self.types) == bool(self.tags):
            raise ConfigError(
                f"types={self.types}, tags={self.tags}: give either types (of entities) or tags."
            )
        if self.training.patience is not None and not self.development:
            raise ConfigError(
                f"training.patience={self.training.patience} without development corpora, whose "
                f"score it watches. Give development, or leave training.patience out."
            )
        if self.outside and not self.types:
            raise ConfigError(
                "outside names words that are no entity, and tags have no label for that. Leave "
                "outside out."
            )
        if any(corpus.allow for corpus in self.development):
            raise ConfigError(
                "development corpora with allow cannot be scored: their words have no one right "
                "label. Leave allow out there."
            )
        known = {*self.types, *self.labels}
        for corpus in [*self.corpora, *self.development]:
            named = {*corpus.missing, *(name for names in corpus.allow.values() for name in names)}
            if named - known:
                raise ConfigError(
                    f"missing or allow of {corpus.file} names {sorted(named - known)}, which the "
                    f"model does not know. Name some of {sorted(known)}."
                )
        return self

    @property
    def labels(self) -> list[str]:
        """The labels of the model, in the order of their ids.

        >>> Recipe(types=["PER"], corpora=[Corpus(file="train.tsv")]).labels
        ['O', 'B-PER', 'I-PER']
        """
        return self.tags or ["O", *(f"{role}-{name}" for name in self.types for role in "BI")]


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        ConfigError: for no recipe, an unknown key, a wrong type, a value out of range.

    """
    return validate(Recipe, read_yaml(path, "--recipe", first="corpora"))
