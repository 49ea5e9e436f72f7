"""CoNLL column files: read them, and turn their words back into text.

Enters: files of one word a line, its tag in a column beside it, an empty line between sentences.
Leaves: sentences of words and tags, and texts with the character offsets of every word.
Must not import: Spark, torch.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from spark_entities.udfs.errors import ConfigError

DOCUMENT_START = "-DOCSTART-"

_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = "\ufeff"
_NO_SPACE_BEFORE = frozenset(",.;:!?)]}%…»”’")
_NO_SPACE_AFTER = frozenset("([{«“‘„")
_STRAIGHT_QUOTES = frozenset("\"'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """Words and their tags, one tag a word; `starts_document` after a `-DOCSTART-` line."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    starts_document: bool = False
    line: int = 1  # of the first word, in the file


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedWords:
    """Words as one text; `offsets[i]` is the character range `[start, end)` of word `i`."""

    text: str
    offsets: tuple[tuple[int, int], ...]


def read_conll(
    path: Path, *, encoding: str = "utf-8", word_column: int = 1, tag_column: int = -1
) -> Iterator[Sentence]:
    """Read the sentences of a CoNLL column file, gzipped or not.

    Columns are separated by tabs where a line has one, else by white space. They are counted from
    1, or from the end by -1.

    Raises:
        ConfigError: if the file cannot be read, or a line has a word and no tag. The message names
            file and line, and never the text.

    """
    words: list[str] = []
    tags: list[str] = []
    starts_document, first = False, 1
    for number, line in enumerate(_read_lines(path, encoding), start=1):
        columns = [column.strip() for column in line.split("\t")] if "\t" in line else line.split()
        blank = not any(columns)
        starts = not blank and columns[0] == DOCUMENT_START
        if (blank or starts) and words:
            yield Sentence(
                words=tuple(words), tags=tuple(tags), starts_document=starts_document, line=first
            )
            words, tags, starts_document = [], [], False
        if blank or starts:
            starts_document |= starts
            continue
        word, tag = _pick(columns, word_column), _pick(columns, tag_column)
        if not word or not tag or len(columns) == 1:
            missing = "a tag without a word" if not word else "a word without a tag"
            raise ConfigError(
                f"{path.name}, line {number}: {missing}. A line has a word and its tag, in columns "
                f"{word_column} and {tag_column}; mend the line, or name the right columns."
            )
        first = first if words else number
        words.append(word)
        tags.append(tag)


def _pick(columns: Sequence[str], number: int) -> str:
    """Return a column, counted from 1 or from the end; nothing where a line has too few."""
    index = number - 1 if number > 0 else len(columns) + number
    return columns[index] if 0 <= index < len(columns) else ""


def _read_lines(path: Path, encoding: str) -> Iterator[str]:
    """Read a file's lines, and an empty one after them."""
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path.name}, line {line}: not {encoding}. Name the encoding that the file has, such "
            f"as latin-1, or convert it."
        ) from None  # the error itself holds the text
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise ConfigError(
            f"{path.name}: its gzip data are cut or damaged. Copy it again."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}). Give a CoNLL file.") from None
    yield from io.StringIO(text.removeprefix(_BYTE_ORDER_MARK), newline=None)
    yield ""


def group_sentences(
    sentences: Iterable[Sentence], sizes: Iterator[int | None]
) -> Iterator[list[Sentence]]:
    """Join neighbours of a document, as many as the next size says; whole documents by None."""
    group: list[Sentence] = []
    size = next(sizes)
    for sentence in sentences:
        if group and (len(group) == size or sentence.starts_document):
            yield group
            group, size = [], next(sizes)
        group.append(sentence)
    if group:
        yield group


def join_words(words: Sequence[str]) -> JoinedWords:
    """Join words by spaces.

    >>> join_words(["Londen", "."])
    JoinedWords(text='Londen .', offsets=((0, 6), (7, 8)))
    """
    offsets: list[tuple[int, int]] = []
    for word in words:
        start = offsets[-1][1] + 1 if offsets else 0
        offsets.append((start, start + len(word)))
    return JoinedWords(text=" ".join(words), offsets=tuple(offsets))


def detokenise(words: Sequence[str]) -> JoinedWords:
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
    return JoinedWords(text="".join(pieces), offsets=tuple(offsets))


def join_texts(texts: Sequence[JoinedWords]) -> JoinedWords:
    """Join the texts of sentences by spaces.

    >>> join_texts([join_words(["Ja", "."]), join_words(["Nee"])]).offsets
    ((0, 2), (3, 4), (5, 8))
    """
    starts = accumulate((len(text.text) + 1 for text in texts), initial=0)
    offsets = (
        (start + first, start + end)
        for start, text in zip(starts, texts, strict=False)
        for first, end in text.offsets
    )
    return JoinedWords(text=" ".join(text.text for text in texts), offsets=tuple(offsets))
