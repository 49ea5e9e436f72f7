"""Texts without some of their mentions, and what stands in the place of these.

Enters: a buffer of texts with their entities. Leaves: new texts, and the spans of what was put in.
"""

from __future__ import annotations

import hmac
import unicodedata
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_entities.udfs.core.arrays import Bools, Ints
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.core.records import Entities
from spark_entities.udfs.core.text import Text
from spark_entities.udfs.options import RedactOptions

REDACTION_TYPE = pa.struct(
    [("entity_group", pa.string()), ("start", pa.int32()), ("end", pa.int32())]
)
_PSEUDONYM_DIGITS = 12  # 48 bits: of a million names, two share one by a chance of 1 in 500
_VISIBLE = r"[^\s\p{Z}\x0b\x{1c}-\x{1f}\x{85}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A buffer of texts without their mentions."""

    texts: pa.StringArray  # (num_documents,), null where the text is
    spans: pa.ListArray  # (num_documents,) of REDACTION_TYPE, in code points of the new texts
    words: pa.StringArray  # (num_entities,): what stands in their place; null where they stay


def redact(
    text: Text, entities: Entities, scheme: LabelScheme, options: RedactOptions
) -> Redaction:
    """Put something else in the place of the mentions of some groups.

    Of mentions that overlap, the later one begins where the one before it ends.
    """
    num_documents, group_ids = len(entities.counts), scheme.group_ids[entities.label_ids]
    chosen = np.isin(scheme.groups, options.groups)[group_ids]
    chosen &= entities.scores >= options.min_score
    group = pa.array(scheme.groups, pa.string()).take(pa.array(group_ids[chosen]))
    starts, ends = entities.offsets[chosen].T
    words = _replace(text.slices(starts, ends), group, options)

    reach = np.maximum.accumulate(np.append(0, ends))[:-1]  # of those before each
    starts = np.maximum(starts, reach)
    left = ends > starts
    row = np.repeat(np.arange(num_documents), entities.counts)[chosen][left]
    texts, places = _rebuild(text, starts[left], ends[left], row, words.filter(pa.array(left)))

    spans = pa.StructArray.from_arrays(
        [group.filter(pa.array(left)), *(pa.array(each.astype(np.int32)) for each in places)],
        fields=list(REDACTION_TYPE),
    )
    counts = np.bincount(row, minlength=num_documents)
    splits = pa.array(np.append(0, np.cumsum(counts)).astype(np.int32))
    is_null = pa.array(text.is_null)
    return Redaction(
        texts=pc.if_else(is_null, pa.scalar(None, pa.string()), texts),
        spans=pa.ListArray.from_arrays(splits, spans, mask=is_null),
        words=_spread(words, chosen),
    )


def _replace(words: pa.StringArray, group: pa.StringArray, options: RedactOptions) -> pa.Array:
    """Make what stands in the place of words: (n,) and (n,) give (n,)."""
    if options.style == "mask":
        return pc.replace_substring_regex(words, _VISIBLE, "█")
    if options.style == "label":
        return pc.binary_join_element_wise("[", group, "]", "")
    assert options.key is not None  # RedactOptions sees to it
    distinct = words.dictionary_encode()
    names = [_pseudonym(word, options.key) for word in distinct.dictionary.to_pylist()]
    name = pa.array(names, pa.string()).take(distinct.indices)
    return pc.binary_join_element_wise(group, name, "_")


def _pseudonym(word: str, key: bytes) -> str:
    """Name a surface form: the same for all that differ in capitals, width and spaces only.

    >>> _pseudonym("Frans  van Houten", b"key") == _pseudonym("FRANS VAN HOUTEN", b"key")
    True
    """
    plain = " ".join(unicodedata.normalize("NFKC", word).casefold().split())
    return hmac.digest(key, plain.encode(), "sha256").hex()[:_PSEUDONYM_DIGITS]


def _rebuild(
    text: Text, starts: Ints, ends: Ints, row: Ints, words: pa.StringArray
) -> tuple[pa.StringArray, tuple[Ints, Ints]]:
    """Put words in the place of ranges that do not overlap, (n,) each, of the documents `row`.

    Returns the texts, and where the words begin and end in theirs.
    """
    first, last = text.row_splits[:-1], text.row_splits[1:]
    gap_starts, gap_ends = np.sort(np.append(first, ends)), np.sort(np.append(starts, last))
    num_gaps, num_words = len(gap_starts), len(starts)

    # The pieces of a document: a gap, and for each word the word and the gap behind it.
    pieces = 2 * np.bincount(row, minlength=len(first)) + 1
    splits = np.append(0, np.cumsum(pieces))
    word_at = 2 * np.arange(num_words) + row + 1
    is_word = np.zeros(num_gaps + num_words, dtype=bool)
    is_word[word_at] = True
    source = np.empty(len(is_word), dtype=np.int64)
    source[~is_word], source[is_word] = np.arange(num_gaps), num_gaps + np.arange(num_words)

    gaps = text.slices(gap_starts, gap_ends)
    joined = pa.concat_arrays([gaps, words.cast(pa.string())]).take(pa.array(source))
    texts = pc.binary_join(pa.ListArray.from_arrays(pa.array(splits.astype(np.int32)), joined), "")

    sizes = np.empty(len(is_word), dtype=np.int64)
    sizes[~is_word] = gap_ends - gap_starts
    sizes[is_word] = pc.utf8_length(words).to_numpy()
    piece_ends = np.append(0, np.cumsum(sizes))
    begins = piece_ends[word_at] - piece_ends[splits[row]]
    return texts, (begins, begins + sizes[word_at])


def _spread(words: pa.StringArray, chosen: Bools) -> pa.StringArray:
    """Put words in the places that were chosen, and null in the others."""
    index = np.cumsum(chosen) - 1
    return words.take(pa.array(index, mask=~chosen))
