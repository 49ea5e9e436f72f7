"""Make training examples of tagged texts: windows of tokens with targets, in batches.

Enters: tagged texts, a tokenizer. Leaves: windows, and which set of labels each token may have.
Must not import: Spark, transformers.

Texts go through the engine's own `encode`, so that training and inference agree on tokens, words
and windows. The first token of a word has the word's target; the others have none, as in the
reference model, and as the strategy `first` reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_entities.jobs.training.texts import IGNORED, TaggedText
from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.core.arrays import Bools, Ints
from spark_entities.udfs.core.batching import Frame, lay_out, plan_batches
from spark_entities.udfs.core.records import Encoding, Windows

STEP_COST_TOKENS = 300  # what an optimizer's step costs, in the time of a token
TEXTS_AT_ONCE = 2000  # encoding takes much memory beside what is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Texts as tokens and windows, and the target of each token."""

    token_ids: NDArray[np.int32]  # (num_tokens,)
    targets: Ints  # (num_tokens,): indices into the label sets, or `IGNORED`
    windows: Windows
    frame: Frame

    @property
    def window_lengths(self) -> Ints:
        """Tokens of each window, special tokens counted: (num_windows,)."""
        return self.windows.ends - self.windows.starts + self.frame.num_special_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What the network sees in one step, and what it should say."""

    input_ids: Ints  # (rows, width)
    attention_mask: Ints | None  # (rows, width); nothing where there is no padding
    places: Ints  # (num_targets,): where tokens with a target stand, counted along all rows
    targets: Ints  # (num_targets,)
    opens: Bools  # (num_targets,): whether it is the first of its window


def make_examples(texts: Sequence[TaggedText], classifier: TokenClassifier) -> Examples:
    """Encode texts, and give tokens the targets of the words that they open."""
    encodings, targets = [], []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        some = texts[start : start + TEXTS_AT_ONCE]
        encodings.append(classifier.encode([text.text for text in some]))
        targets.append(token_targets(encodings[-1], some))
    return Examples(
        token_ids=np.concatenate([encoding.tokens.ids for encoding in encodings]),
        targets=np.concatenate(targets),
        windows=_join_windows(encodings),
        frame=classifier.model.frame,
    )


def token_targets(encoding: Encoding, texts: Sequence[TaggedText]) -> Ints:
    """Give the first token of each word its target, and the others none: (num_tokens,)."""
    targets = np.full(len(encoding.tokens.ids), IGNORED)
    for with_letters in (False, True):  # letters have the last word: they own a shared token
        for text, tokens in zip(texts, first_tokens(encoding, texts), strict=True):
            kept = (tokens >= 0) & (_has_letter(text) | (not with_letters))
            targets[tokens[kept]] = text.targets[kept]
    return targets


def _join_windows(encodings: Sequence[Encoding]) -> Windows:
    sizes = [len(encoding.tokens.ids) for encoding in encodings]
    shifts = np.cumsum([0, *sizes[:-1]])
    all_windows = [encoding.windows for encoding in encodings]
    counts = np.concatenate([np.diff(windows.row_splits) for windows in all_windows])

    def joined(name: str) -> Ints:
        parts = [getattr(w, name) + shift for w, shift in zip(all_windows, shifts, strict=True)]
        return np.concatenate(parts)

    return Windows(
        starts=joined("starts"),
        ends=joined("ends"),
        owned_starts=joined("owned_starts"),
        owned_ends=joined("owned_ends"),
        row_splits=np.append(0, np.cumsum(counts)),
    )


def first_tokens(encoding: Encoding, texts: Sequence[TaggedText]) -> list[Ints]:
    """Find the first token of each word, text by text; -1 for a word that has none."""
    token_starts, token_ends = encoding.tokens.offsets.T
    found = []
    for text, start in zip(texts, encoding.text.row_splits[:-1], strict=True):
        words = text.offsets + start
        tokens = np.searchsorted(token_ends, words[:, 0], side="right")
        within = np.append(token_starts, np.iinfo(np.int64).max)[tokens] < words[:, 1]
        found.append(np.where(within, tokens, -1))
    return found


def _has_letter(text: TaggedText) -> Bools:
    words = (text.text[start:end] for start, end in text.offsets.tolist())
    return np.fromiter((any(map(str.isalnum, word)) for word in words), bool, len(text.offsets))


def plan_epoch(examples: Examples, max_padded_tokens: int, rng: np.random.Generator) -> list[Ints]:
    """Cut windows of similar length into batches under a budget, in a random order.

    Returns: int64, (batch rows,) each: indices of windows; each index comes once.

    """
    order = rng.permutation(len(examples.window_lengths))
    batches = [
        order[rows]
        for rows in plan_batches(
            examples.window_lengths[order],
            max_padded_tokens=max_padded_tokens,
            batch_cost_tokens=STEP_COST_TOKENS,
        )
    ]
    return [batches[index] for index in rng.permutation(len(batches))]


def lay_out_step(examples: Examples, rows: Ints) -> Step:
    """Lay out some windows as one padded batch; each token counts in the window that owns it."""
    batch = lay_out(
        examples.token_ids,
        examples.windows,
        rows,
        examples.frame,
        int(examples.window_lengths[rows].max()),
    )
    targets = examples.targets[batch.tokens]
    known = targets != IGNORED
    places = batch.places[known]
    return Step(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        places=places,
        targets=targets[known],
        opens=np.diff(places // batch.input_ids.shape[1], prepend=-1) > 0,
    )
