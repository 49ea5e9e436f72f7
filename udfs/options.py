"""What a caller may choose about the model and the classification, checked when made.

Must not import: pyspark, torch, transformers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from spark_entities.udfs.errors import ConfigError

AggregationStrategy = Literal["none", "simple", "first", "average", "max"]
Precision = Literal["auto", "float32", "bfloat16", "float16", "int8"]

BUNDLED = "bundled"

_Value = TypeVar("_Value")


def _setting(default: _Value, description: str) -> _Value:
    """Declare a setting; its description is shown by `--help` and in the reference table."""
    return field(default=default, metadata={"description": description})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """Which checkpoint to load, and how."""

    name: str = _setting(BUNDLED, "Folder of a checkpoint, a Hugging Face Hub id, or `bundled`.")
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


def _check_choice(key: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(
            f"{key}={value!r} is not one of {', '.join(choices)}. Choose one of them."
        )


def _check_at_least(key: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise ConfigError(f"{key}={value} is below {least}. Set it to {least} or more.")
