"""What a caller may choose about the model and the classification, checked when made.

Must not import: pyspark, torch, transformers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from spark_entities.udfs.errors import ConfigError

AggregationStrategy = Literal["none", "simple", "first", "average", "max"]
RedactionStyle = Literal["label", "mask", "pseudonym"]
Precision = Literal["auto", "float32", "bfloat16", "float16", "int8"]

BUNDLED = "bundled"
_KEY_BYTES = 16

_Value = TypeVar("_Value")


def _setting(default: _Value, description: str) -> _Value:
    """Declare a setting; its description is shown by `--help` and in the reference table."""
    return field(default=default, metadata={"description": description})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """Which checkpoint to load, and how."""

    name: str = _setting(
        BUNDLED,
        "Folder of a checkpoint, a Hugging Face Hub id, a registered model of MLflow "
        "(`models:/name/version`, `models:/name@alias`), or `bundled`.",
    )
    revision: str | None = _setting(
        None, "Branch, tag or commit of a Hub id; pinned to a commit before the run."
    )
    precision: Precision = _setting(
        "auto",
        "Number format; `auto` takes bfloat16 or float16 where the hardware computes it natively. "
        "`int8`, on a CPU only, is faster and less exact.",
    )

    sha256: str | None = _setting(
        None,
        "SHA-256 of the weights' file, which must be what is loaded; of its files' digests, where "
        "there are several.",
    )

    def __post_init__(self) -> None:
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ConfigError(
                f"model.sha256={self.sha256!r} is no SHA-256. Give 64 digits of 0-9 and a-f, as "
                f"sha256sum prints them."
            )
        if not self.name.strip():
            raise ConfigError(
                "model.name is empty. Give the folder of a checkpoint, a Hub id, or 'bundled'."
            )
        _check_choice("model.precision", self.precision, get_args(Precision))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyOptions:
    """How documents become windows, windows batches, and tokens entities."""

    aggregation_strategy: AggregationStrategy = _setting(
        "first",
        "How tokens become entities, in Hugging Face's terms; `none` gives labelled tokens.",
    )
    stride: int = _setting(
        128,
        "Overlap of two neighbouring windows of a document, in tokens; smaller than the window.",
    )
    max_window_tokens: int | None = _setting(
        None, "Tokens of one window, special tokens not counted; the model's capacity when absent."
    )
    max_padded_tokens: int | None = _setting(
        None, "Budget of one batch in tokens, padding counted; chosen by device when absent."
    )
    merge_plain_labels: bool = _setting(
        False, "Join equal neighbours of labels without a scheme (parts of speech) to one element."
    )
    max_document_chars: int = _setting(
        5_000_000,
        "Longer documents get an error; a worker's memory grows with its longest document.",
    )
    labels: tuple[str, ...] | None = _setting(
        None, "Entity groups to keep, such as PER and LOC; all of the model's when absent."
    )
    min_score: float | Mapping[str, float] = _setting(
        0.0,
        "Entities of a lower score are left out: one number, 0 to 1, or a number for each group "
        "that is named, such as `{PER: 0.9}`.",
    )
    buffer_chars: int | None = _setting(
        None, "Characters of text that are classified together; chosen by device when absent."
    )

    def __post_init__(self) -> None:
        _check_choice(
            "classify.aggregation_strategy",
            self.aggregation_strategy,
            get_args(AggregationStrategy),
        )
        _check_at_least("classify.stride", self.stride, 0)
        _check_at_least("classify.max_window_tokens", self.max_window_tokens, 1)
        _check_at_least("classify.max_padded_tokens", self.max_padded_tokens, 1)
        _check_at_least("classify.max_document_chars", self.max_document_chars, 1)
        _check_at_least("classify.buffer_chars", self.buffer_chars, 1)
        if self.max_window_tokens is not None:
            self.check_window(self.max_window_tokens)
        if self.labels is not None and not self.labels:
            raise ConfigError(
                "classify.labels is empty. Name some groups, or leave it out for all."
            )
        for group, score in self._min_scores.items():
            _check_share(f"classify.min_score{group and '.'}{group}", score)

    @property
    def _min_scores(self) -> Mapping[str, float]:
        """The least score by group; one for all has no name."""
        return self.min_score if isinstance(self.min_score, Mapping) else {"": self.min_score}

    @property
    def chooses(self) -> bool:
        """Whether some entities that are found may be left out."""
        return self.labels is not None or any(self._min_scores.values())

    def least_score(self, group: str) -> float:
        """Return the score that an entity of a group needs: infinity, where the group is not kept.

        >>> ClassifyOptions(min_score={"PER": 0.9}).least_score("LOC")
        0.0
        """
        if self.labels is not None and group not in self.labels:
            return math.inf
        return self._min_scores.get(group, self._min_scores.get("", 0.0))

    def kept(self, groups: Sequence[str]) -> list[str]:
        """Return those of the model's groups that are kept."""
        return [group for group in groups if self.labels is None or group in self.labels]

    def check_groups(self, groups: Sequence[str]) -> None:
        """Check that the model knows the groups that are named.

        Raises:
            ConfigError: naming those that it has.

        """
        check_known("classify.labels", self.labels or (), groups)
        check_known("classify.min_score", filter(None, self._min_scores), groups)

    def window_tokens(self, capacity: int) -> int:
        """Return the tokens of one window of a model.

        Raises:
            ConfigError: if the stride does not fit; see `check_window`.

        """
        self.check_window(capacity)
        return min(capacity, self.max_window_tokens or capacity)

    def check_window(self, capacity: int) -> None:
        """Check that the stride fits the window of a model.

        Raises:
            ConfigError: if it leaves a window no room to advance.

        """
        window_tokens = min(capacity, self.max_window_tokens or capacity)
        if self.stride >= window_tokens:
            raise ConfigError(
                f"classify.stride must be smaller than the window: stride={self.stride}, "
                f"window={window_tokens} tokens. Set classify.stride to 0..{window_tokens - 1}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactOptions:
    """Which mentions are taken out of the texts, and what stands in their place."""

    groups: tuple[str, ...]
    style: RedactionStyle = "label"
    min_score: float = 0.0
    key: bytes | None = field(default=None, repr=False)  # of pseudonyms
    hides_words: bool = False  # whether entities, too, have what stands in the place of their words

    def __post_init__(self) -> None:
        if not self.groups:
            raise ConfigError("redact.groups is empty. Name the groups to take out of the texts.")
        _check_choice("redact.style", self.style, get_args(RedactionStyle))
        _check_share("redact.min_score", self.min_score)
        if (self.style == "pseudonym") != (self.key is not None):
            raise ConfigError(
                f"redact.style={self.style!r} {'without' if self.key is None else 'with'} "
                f"redact.key: give a key with 'pseudonym', and with it alone."
            )
        if self.key is not None and len(self.key) < _KEY_BYTES:
            raise ConfigError(
                f"redact.key is of {len(self.key)} bytes, and can be guessed. Give {_KEY_BYTES} "
                f"or more, such as what `openssl rand -hex 32` prints."
            )

    def check_fits(self, strategy: AggregationStrategy, groups: Sequence[str]) -> None:
        """Check that there are mentions to redact, of groups that the model knows.

        Raises:
            ConfigError: if the strategy gives tokens, or a group is not one of the model's.

        """
        check_known("redact.groups", self.groups, groups)
        if strategy == "none":
            raise ConfigError(
                "redact.groups with classify.aggregation_strategy='none', which gives tokens and "
                "no mentions. Set it to first, simple, average or max."
            )


def check_known(key: str, named: Iterable[str], groups: Sequence[str]) -> None:
    """Refuse a group that is not one of the model's.

    Raises:
        ConfigError: naming those that it has.

    """
    unknown = [group for group in named if group not in groups]
    if unknown:
        raise ConfigError(
            f"{key} names {', '.join(map(repr, unknown))}, which the model does not know. Its "
            f"groups: {', '.join(groups)}."
        )


def _check_choice(key: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(
            f"{key}={value!r} is not one of {', '.join(choices)}. Choose one of them."
        )


def _check_at_least(key: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise ConfigError(f"{key}={value} is below {least}. Set it to {least} or more.")


def _check_share(key: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"{key}={value} is out of range. Set it to a number from 0 to 1.")
