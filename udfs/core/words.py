"""Word borders, by the characters of the text and for every script.

Enters: the text of a buffer of documents, its tokens and their character ranges.
Leaves: which tokens start a word, and the character range of every word.

A word is a run without white space, less the marks at its outer ends; each mark is a word of its
own. What stays inside follows the default word boundaries of Unicode's annex 29 (MidLetter, MidNum,
MidNumLet, ExtendNumLet, quotes between Hebrew letters), but for these:

- `-`, `‐`, `‑` and `&` stay inside too (`Jean-Pierre`, `AT&T`), and `.`, `'`, `’` between a letter
  and a digit (`G.7`): names are written so;
- the apostrophe that opens a word of one letter stays (`'s-Gravenhage`, `'t`);
- `:` stays between digits (`12:30`) and not between letters (`naam:Emma`), as in CLDR;
- `_` stays between letters or digits, not at the ends (`_Emma_`), and a narrow no-break space is
  white space;
- scripts written without spaces, Katakana among them, take each token as a word;
- soft hyphens and the like are read with what stands before them, marks of direction as white
  space, and so are control characters, but those of ASCII between letters.

What a tokenizer reads as one word stays one: a word reaches to the last letter of its pieces, and
a continuation (`##dam`) goes on with it where the tokenizer has dropped what stands between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from spark_entities.udfs.core.arrays import Bools, Ints
from spark_entities.udfs.core.graphemes import having
from spark_entities.udfs.core.records import Tokens, Vocabulary
from spark_entities.udfs.core.text import Text

# Classes of characters. `_UNSPACED`: a letter of a script that does not separate words.
_SPACE, _MARK, _JOINER, _LETTER, _UNSPACED, _EXTEND = range(6)

_CONTROL = r"[\x01-\x08\x0e-\x1b\x7f]"  # of ASCII; others part words, or stand for a mark
_PATTERNS = (  # the last that matches a code point says its class; letters match none
    (_SPACE, r"[\p{Zs}\p{Zl}\p{Zp}\p{Cc}]"),
    (_MARK, r"[\p{P}\p{S}]"),
    (_LETTER, r"[\p{WB=ALetter}\p{WB=Hebrew_Letter}\p{WB=Numeric}\p{WB=Katakana}]"),
    (_EXTEND, r"[\p{M}\p{Cf}\p{GCB=Extend}\p{GCB=SpacingMark}]"),
    (
        _JOINER,
        r"[-&\u2010\u2011\"\p{WB=MidLetter}\p{WB=MidNum}\p{WB=MidNumLet}\p{WB=ExtendNumLet}'"
        f"{_CONTROL}]",
    ),
    (_SPACE, r"[\u202f\u200b\ufeff]"),  # spaces narrow and of no width, byte order mark
    (_SPACE, r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"),  # text direction
)
_OF_LETTERS, _OF_DIGITS, _OF_HEBREW, _DIGIT, _HEBREW, _APOSTROPHE, _GERESH, _UNSEEN = (
    1 << bit for bit in range(8)
)
_TRAITS = {  # joiners of letters alone, and so on; then what is beside them; and what is special
    _OF_LETTERS: r"[\p{WB=MidLetter}--[:\ufe13\ufe55\uff1a]]",
    _OF_DIGITS: r"[\p{WB=MidNum}:\ufe13\ufe55\uff1a]",
    _OF_HEBREW: '"',
    _DIGIT: r"\p{WB=Numeric}",
    _HEBREW: r"\p{WB=Hebrew_Letter}",
    _APOSTROPHE: "['\u2019]",  # opens a word of one letter
    _GERESH: "'",  # closes a word in Hebrew
    _UNSEEN: r"[\p{Cc}\p{Cf}\ufffd--[\0\t\n\r]]",  # some tokenizers drop it
}
_UNSPACED_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # Han iteration mark, closing mark, zero
    (0x3041, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # half-width Katakana
    (0x1B000, 0x1B16F),
    (0x20000, 0x323AF),
)
_Kinds = NDArray[np.uint8]  # classes of characters
_Places = NDArray[np.int32]  # one for each character, so half the size of `Ints`
_ZERO_WIDTH_JOINER = 0x200D


@cache
def _class_table() -> _Kinds:
    """Tabulate the class of every code point: uint8, (0x110000,)."""
    table = np.full(0x110000, _LETTER, dtype=np.uint8)
    for kind, pattern in _PATTERNS[:3]:
        table[having(pattern)] = kind
    for first, last in _UNSPACED_RANGES:
        block = table[first : last + 1]
        block[block == _LETTER] = _UNSPACED
    for kind, pattern in _PATTERNS[3:]:
        table[having(pattern)] = kind
    return table


@cache
def _traits_table() -> NDArray[np.uint8]:
    """Tabulate what joiners ask of what is beside them, and what that is: uint8, (0x110000,)."""
    table = np.zeros(0x110000, dtype=np.uint8)
    for trait, pattern in _TRAITS.items():
        table[having(pattern)] |= trait
    return table


def find_words(
    text: Text,
    token_ids: NDArray[np.int32],
    token_offsets: Ints,
    token_splits: Ints,
    vocabulary: Vocabulary,
) -> Tokens:
    """Find the words of a buffer of documents and say which tokens start one.

    A token belongs to the word of its first letter or digit, or of its first mark if it has none;
    so a vocabulary with pieces such as `▁(Amsterdam` still gives `Amsterdam`. A lone word start
    (`▁`) that covers the space before a word is the first piece of that word, and stands for its
    first character; other tokens of white space belong to no word.

    Args:
        text: of the buffer.
        token_ids: (num_tokens,).
        token_offsets: (num_tokens, 2), in characters of the buffer, as the tokenizer gives them.
        token_splits: (num_documents + 1,), in tokens.
        vocabulary: of the tokenizer.

    """
    characters = _Characters.of(text.codepoints, text.row_splits)
    starts, ends = characters.trim(token_offsets)
    token_ids = vocabulary.text_ids[token_ids]
    lone = vocabulary.word_start_ids[token_ids] & (starts == ends)
    lone[lone] = characters.continues_after(token_offsets[lone, 1])
    starts = np.where(lone, token_offsets[:, 1], starts)
    ends = np.where(lone, starts + 1, ends)
    seen = np.flatnonzero(ends > starts)
    anchors = characters.first_letter(starts[seen], ends[seen])
    char_word = characters.word_index[anchors]

    continues = vocabulary.continuation_ids[token_ids[seen]]
    changes = np.diff(char_word, prepend=-1) != 0
    later = np.flatnonzero(changes & continues)
    later = later[later > 0]
    document, document_before = (
        np.searchsorted(token_splits, seen[pieces], side="right") for pieces in (later, later - 1)
    )
    unseen_before = _traits_table()[text.codepoints[starts[seen[later]] - 1]] & _UNSEEN != 0
    changes[later] = (document != document_before) | ~unseen_before
    unspaced = characters.kinds[anchors] == _UNSPACED
    moves = np.diff(anchors, prepend=-1) != 0
    free = ~characters.extends[anchors] & ~continues
    opens = changes | (unspaced & moves & free)

    first = np.flatnonzero(opens)
    word_starts, word_ends = characters.word_offsets[char_word[first]].T
    if len(first):
        piece_ends = np.maximum.reduceat(ends[seen], first)
        word_starts = np.where(
            unspaced[first], np.maximum(word_starts, starts[seen][first]), word_starts
        )
        if unspaced.any():
            marked_ends = characters.with_marks(piece_ends)
            word_ends = np.where(unspaced[first], np.minimum(word_ends, marked_ends), word_ends)
        limits = np.minimum(piece_ends, np.append(word_starts[1:], len(characters.kinds)))
        if (limits > word_ends).any():
            word_ends = np.maximum(word_ends, characters.after_letters(limits))

    starts_word = np.zeros(len(token_ids), dtype=bool)
    starts_word[seen] = opens
    word_index = np.full(len(token_ids), -1)
    word_index[seen] = np.cumsum(opens) - 1
    return Tokens(
        ids=token_ids,
        offsets=np.stack([starts, ends], axis=1),
        row_splits=token_splits,
        starts_word=starts_word,
        word_index=word_index,
        word_offsets=np.stack([word_starts, word_ends], axis=1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Characters:
    """The characters of a buffer: their classes in context, and the words they make."""

    kinds: _Kinds  # (num_chars,): only _SPACE, _MARK, _LETTER and _UNSPACED
    extends: Bools  # (num_chars,): a combining mark or the like
    opens_document: Bools  # (num_chars,)
    word_index: _Places  # (num_chars,): meaningless for white space
    word_offsets: Ints  # (num_words, 2)

    @classmethod
    def of(cls, codepoints: NDArray[np.uint32], char_splits: Ints) -> _Characters:
        opens_document = np.zeros(len(codepoints), dtype=bool)
        opens_document[char_splits[:-1][char_splits[:-1] < len(codepoints)]] = True
        raw = _class_table()[codepoints]
        extends = raw == _EXTEND
        kinds = _resolve(codepoints, raw, extends, opens_document)

        before = np.empty_like(kinds)
        before[1:] = kinds[:-1]
        before[opens_document] = _SPACE
        joined = np.concatenate([[False], codepoints[:-1] == _ZERO_WIDTH_JOINER])
        breaks = (kinds != before) | (kinds == _MARK)
        glued = (extends | joined) & (before != _SPACE)
        starts = (kinds != _SPACE) & breaks & ~glued
        borders = np.flatnonzero(starts | (kinds == _SPACE) | opens_document)
        word_starts = np.flatnonzero(starts)
        following = np.searchsorted(borders, word_starts, side="right")
        word_ends = np.append(borders, len(codepoints))[following]
        return cls(
            kinds=kinds,
            extends=extends,
            opens_document=opens_document,
            word_index=np.cumsum(starts, dtype=np.int32) - 1,
            word_offsets=np.stack([word_starts, word_ends], axis=1),
        )

    def trim(self, offsets: Ints) -> tuple[Ints, Ints]:
        """Cut white space off both ends of character ranges; what is white space alone is empty."""
        visible = self.kinds != _SPACE
        next_visible = _next_where(visible)
        starts = np.minimum(next_visible[offsets[:, 0]], offsets[:, 1])
        return starts, np.maximum(_last_where(visible)[offsets[:, 1]], starts)

    def with_marks(self, ends: Ints | _Places) -> _Places:
        """Move ends of words behind the marks of their last letters."""
        return _next_where(~self.extends)[ends]

    def continues_after(self, places: Ints) -> Bools:
        """Tell whether a document goes on at a place, with something that can be seen."""
        inside = places < len(self.kinds)
        inside[inside] = ~self.opens_document[places[inside]]
        inside[inside] = self.kinds[places[inside]] != _SPACE
        return inside

    def first_letter(self, starts: Ints, ends: Ints) -> Ints:
        """Return where the first letter of each range is, or its start where it has none."""
        letters = _next_where((self.kinds == _LETTER) | (self.kinds == _UNSPACED))[starts]
        return np.where(letters < ends, letters, starts)

    def after_letters(self, places: Ints) -> _Places:
        """Move places back behind the last letter before them, and its marks."""
        letters = (self.kinds == _LETTER) | (self.kinds == _UNSPACED)
        return self.with_marks(_last_where(letters)[places])


def _resolve(
    codepoints: NDArray[np.uint32], raw: _Kinds, extends: Bools, opens_document: Bools
) -> _Kinds:
    """Give combining marks the class of their base, and joiners that of what they join."""
    kinds = raw.copy()
    extended = np.flatnonzero(extends & ~opens_document)
    opens_run = np.diff(extended, prepend=-1) != 1
    kinds[extended] = raw[(extended[opens_run] - 1)[np.cumsum(opens_run) - 1]]
    kinds[extends & ((kinds == _EXTEND) | (kinds == _SPACE))] = _LETTER

    joiners = np.flatnonzero(kinds == _JOINER)
    if not len(joiners):
        return kinds
    traits, last = _traits_table(), len(codepoints) - 1
    sign, left, right = (
        traits[codepoints[places]]
        for places in (joiners, joiners - 1, np.minimum(joiners + 1, last))
    )
    before = np.where(opens_document[joiners], _SPACE, kinds[joiners - 1])
    goes_on = np.append((raw == _LETTER) & ~opens_document, [False, False])
    letter_after, letters_after = goes_on[joiners + 1], goes_on[joiners + 2]
    misfits = (sign & _OF_LETTERS != 0) & ((left | right) & _DIGIT != 0)
    misfits |= (sign & _OF_DIGITS != 0) & (left & right & _DIGIT == 0)
    misfits |= (sign & _OF_HEBREW != 0) & (left & right & _HEBREW == 0)
    closes = (sign & _GERESH != 0) & (left & _HEBREW != 0)
    inside = (before == _LETTER) & (letter_after & ~misfits | closes)
    # An apostrophe that opens a word of one letter, as in `'s-Gravenhage` and `'t`.
    opens = (before == _SPACE) & letter_after & ~letters_after & (sign & _APOSTROPHE != 0)
    apart = np.where(sign & _UNSEEN != 0, _SPACE, _MARK)
    kinds[joiners] = np.where(inside | opens, _LETTER, apart)
    return kinds


def _places(size: int) -> _Places:
    return np.arange(size, dtype=np.int32)


def _next_where(condition: Bools) -> _Places:
    """Return, for each place and the one past the end, the next place where the condition holds.

    >>> _next_where(np.array([False, True, False]))
    array([1, 1, 3, 3], dtype=int32)
    """
    size = len(condition)
    places = np.where(np.append(condition, True), _places(size + 1), np.int32(size))
    return np.minimum.accumulate(places[::-1])[::-1]


def _last_where(condition: Bools) -> _Places:
    """Return, for each place and the one past the end, where the last before it ends that holds.

    >>> _last_where(np.array([False, True, False]))
    array([0, 0, 2, 2], dtype=int32)
    """
    size = len(condition)
    places = np.where(np.append(False, condition), _places(size + 1), np.int32(0))
    return np.maximum.accumulate(places)
