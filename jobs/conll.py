"""CoNLL column files: read them, and turn their words back into running text.

Enters: files of one word a line, its tag in the last column, an empty line between sentences.
Leaves: sentences of words and tags, and texts with the character offsets of every word.
Must not import: Spark, torch.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCUMENT_START = "-DOCSTART-"

_NO_SPACE_BEFORE = frozenset(",.;:!?)]}%…»”’")
_NO_SPACE_AFTER = frozenset("([{«“‘„")
_STRAIGHT_QUOTES = frozenset("\"'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """Words and their tags, one tag a word; `starts_document` after a `-DOCSTART-` line."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    starts_document: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Running text; `offsets[i]` is the character range `[start, end)` of word `i` in it."""

    text: str
    offsets: tuple[tuple[int, int], ...]


def read_conll(path: Path, *, encoding: str = "utf-8") -> Iterator[Sentence]:
    """Read the sentences of a CoNLL column file, gzipped or not.

    Raises:
        ValueError: if a line has a word and no tag. The message names file and line, not the text.

    """
    opener = gzip.open if path.suffix == ".gz" else open
    words: list[str] = []
    tags: list[str] = []
    starts_document = False
    with opener(path, "rt", encoding=encoding) as lines:
        for number, line in enumerate([*lines, "\n"], start=1):
            columns = line.split()
            if columns and columns[0] == DOCUMENT_START:
                starts_document = True
            elif len(columns) == 1:
                raise ValueError(f"{path.name}, line {number}: a word without a tag.")
            elif columns:
                words.append(columns[0])
                tags.append(columns[-1])
            elif words:
                yield Sentence(
                    words=tuple(words), tags=tuple(tags), starts_document=starts_document
                )
                words, tags, starts_document = [], [], False


def detokenise(words: Sequence[str]) -> Text:
    """Join words to running text, as a person would have typed it.

    >>> detokenise(["Zij", "zei", ":", '"', "Londen", "(", "UK", ")", "!", '"']).text
    'Zij zei: "Londen (UK)!"'
    """
    pieces: list[str] = []
    offsets: list[tuple[int, int]] = []
    position, glue, open_quotes = 0, True, set[str]()
    for word in words:
        closes = word in open_quotes
        if not glue and not closes and word not in _NO_SPACE_BEFORE:
            pieces.append(" ")
            position += 1
        pieces.append(word)
        offsets.append((position, position + len(word)))
        position += len(word)
        glue = word in _NO_SPACE_AFTER
        if word in _STRAIGHT_QUOTES:
            open_quotes ^= {word}
            glue = not closes
    return Text(text="".join(pieces), offsets=tuple(offsets))
