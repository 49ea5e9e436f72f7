"""Tokenise a buffer of documents, each distinct stretch of text once.

Enters: the text of a buffer. Leaves: token ids and their character offsets, as flat arrays.

Most tokenizers never look across a space that follows something else, so what they make of
`Emma woont` is what they make of `Emma` and of ` woont`. Text is cut there into chunks, and a chunk
seen before is looked up. A tokenizer that is not known to work so gets whole documents as chunks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tokenizers import Tokenizer

from spark_entities.udfs.core.arrays import Ints, ragged_range
from spark_entities.udfs.core.text import Text

_SPACE = 0x20
# Bytes of chunks that are remembered: the frequent words of some languages, looked up in
# milliseconds.
_REMEMBERED_BYTES = 1 << 20

_LOCAL_NORMALIZERS = frozenset(
    [
        "BertNormalizer",
        "Lowercase",
        "NFC",
        "NFD",
        "NFKC",
        "NFKD",
        "Nmt",
        "Precompiled",
        "StripAccents",
    ]
)
_SPLITTING_PRE_TOKENIZERS = frozenset(
    ["BertPreTokenizer", "ByteLevel", "Metaspace", "Whitespace", "WhitespaceSplit"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pieces:
    """Chunks and the tokens of each."""

    chunks: pa.StringArray  # (num_chunks,), distinct
    ids: NDArray[np.int32]  # (num_tokens,)
    offsets: NDArray[np.int32]  # (num_tokens, 2), in characters of the chunk
    row_splits: Ints  # (num_chunks + 1,), in tokens

    def __add__(self, other: _Pieces) -> _Pieces:
        return _Pieces(
            chunks=pa.concat_arrays([self.chunks, other.chunks]),
            ids=np.concatenate([self.ids, other.ids]),
            offsets=np.concatenate([self.offsets, other.offsets]),
            row_splits=np.concatenate(
                [self.row_splits, other.row_splits[1:] + self.row_splits[-1]]
            ),
        )


class ChunkTokenizer:
    """A tokenizer that remembers the chunks it has seen.

    Its memory is replaced, never changed, so that threads may share it. The tokenizer it is given
    should have no post-processor: byte-level ones trim offsets by where a text begins.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._cuts_at_spaces = cuts_at_spaces(tokenizer)
        self._known = self._nothing = self._tokenize(pa.array([], pa.string()))

    def tokenize(self, text: Text) -> tuple[NDArray[np.int32], Ints, Ints]:
        """Tokenise documents whole, without special tokens and without truncation.

        Returns:
            ids: int32, (num_tokens,).
            offsets: (num_tokens, 2), in characters of the buffer, as the tokenizer gives them.
            row_splits: (num_documents + 1,), in tokens.

        """
        borders = self._chunk_borders(text)
        starts = borders[:-1]
        pieces, place = self._look_up(text.cut(borders))
        counts = np.diff(pieces.row_splits)[place]
        tokens = ragged_range(pieces.row_splits[place], counts)
        offsets = pieces.offsets[tokens] + np.repeat(starts, counts)[:, None]
        splits = np.concatenate([[0], np.cumsum(counts)])
        return pieces.ids[tokens], offsets, splits[np.searchsorted(starts, text.row_splits)]

    def _chunk_borders(self, text: Text) -> Ints:
        """Return where chunks begin, and the end: (num_chunks + 1,), in characters."""
        borders = np.zeros(len(text.codepoints) + 1, dtype=bool)
        if self._cuts_at_spaces:
            space = text.codepoints == _SPACE
            borders[1:-1] = space[1:] & ~space[:-1]
        borders[text.row_splits] = True
        return np.flatnonzero(borders)

    def _look_up(self, chunks: pa.StringArray) -> tuple[_Pieces, Ints]:
        """Return pieces that hold all the chunks, and the place of each among them."""
        known = self._known
        place = pc.index_in(chunks, value_set=known.chunks)
        unknown = chunks.filter(place.is_null()).dictionary_encode()
        pieces = known + self._tokenize(unknown.dictionary)
        self._known = pieces if pieces.chunks.nbytes <= _REMEMBERED_BYTES else self._nothing
        places = pc.fill_null(place, -1).to_numpy().astype(np.int64)
        places[places < 0] = len(known.chunks) + unknown.indices.to_numpy()
        return pieces, places

    def _tokenize(self, chunks: pa.StringArray) -> _Pieces:
        encodings = self.tokenizer.encode_batch(chunks.to_pylist(), add_special_tokens=False)
        splits = np.cumsum([0, *map(len, encodings)])
        ids = chain.from_iterable(encoding.ids for encoding in encodings)
        offsets = chain.from_iterable(encoding.offsets for encoding in encodings)
        return _Pieces(
            chunks=chunks,
            ids=np.fromiter(ids, np.int32, splits[-1]),
            offsets=np.fromiter(chain.from_iterable(offsets), np.int32, 2 * splits[-1]).reshape(
                -1, 2
            ),
            row_splits=splits,
        )


def cuts_at_spaces(tokenizer: Tokenizer) -> bool:
    """Tell whether a tokenizer is known never to look across a space that follows something else.

    It is, when its pre-tokenizer splits there first of all, and its normalizer and added tokens
    do not reach over a space.
    """
    first = next(_steps(tokenizer.pre_tokenizer, "pretokenizers"), {"type": None})
    return (
        _splits_at_spaces(first)
        and all(map(_is_local, _steps(tokenizer.normalizer, "normalizers")))
        and not any(
            token.rstrip or " " in token.content
            for token in tokenizer.get_added_tokens_decoder().values()
        )
    )


def _steps(component: Any, name: str) -> Any:
    """Yield the settings of a part of a tokenizer, those of a sequence one by one."""
    if component is None:
        return
    settings = json.loads(component.__getstate__())
    yield from settings[name] if settings["type"] == "Sequence" else [settings]


def _splits_at_spaces(settings: dict[str, Any]) -> bool:
    return (
        settings["type"] in _SPLITTING_PRE_TOKENIZERS
        and settings.get("split", True)  # Metaspace
        and settings.get("use_regex", True)  # ByteLevel
    )


def _is_local(settings: dict[str, Any]) -> bool:
    if settings["type"] == "Replace":
        pattern = settings["pattern"]
        return pattern.get("Regex") == " {2,}" or " " not in pattern.get("String", " ")
    return settings["type"] in _LOCAL_NORMALIZERS
