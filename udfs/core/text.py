"""The text of a buffer of documents, end to end.

Enters: documents. Leaves: their code points and bytes, and where each begins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from spark_entities.udfs.core.arrays import Bools, Ints, ragged_range

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The characters of a buffer of documents, end to end."""

    utf8: bytes
    codepoints: NDArray[np.uint32]  # (num_chars,)
    byte_splits: NDArray[np.int32]  # (num_chars + 1,): where each character's bytes begin
    row_splits: Ints  # (num_documents + 1,), in characters
    is_null: Bools  # (num_documents,)

    @classmethod
    def join(cls, documents: Sequence[str | None]) -> Text:
        """Join documents; a lone surrogate, which has no UTF-8, becomes U+FFFD.

        >>> Text.join(["né", None]).byte_splits
        array([0, 1, 3], dtype=int32)
        """
        present = [document or "" for document in documents]
        joined = "".join(present)
        try:
            utf8 = joined.encode("utf-8")
        except UnicodeEncodeError:
            joined = _LONE_SURROGATE.sub("\ufffd", joined)
            utf8 = joined.encode("utf-8")
        bytes_ = np.frombuffer(utf8, dtype=np.uint8)
        opens_character = (bytes_ & 0xC0) != 0x80
        return cls(
            utf8=utf8,
            codepoints=np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32),
            byte_splits=np.append(np.flatnonzero(opens_character), len(utf8)).astype(np.int32),
            row_splits=np.cumsum([0, *map(len, present)]),
            is_null=np.fromiter((text is None for text in documents), bool, len(documents)),
        )

    def cut(self, borders: Ints) -> pa.StringArray:
        """Cut the text at borders: (n + 1,), in characters, gives n strings that copy nothing."""
        splits = self.byte_splits[borders]
        return pa.StringArray.from_buffers(
            len(borders) - 1, pa.py_buffer(splits), pa.py_buffer(self.utf8)
        )

    def slices(self, starts: Ints, ends: Ints) -> pa.StringArray:
        """Copy character ranges out of the text: (n,) and (n,) give n strings, by one gather."""
        first = self.byte_splits[starts]
        sizes = self.byte_splits[ends] - first
        splits = np.append(0, np.cumsum(sizes)).astype(np.int32)
        data = np.frombuffer(self.utf8, dtype=np.uint8)[ragged_range(first, sizes)]
        return pa.StringArray.from_buffers(len(starts), pa.py_buffer(splits), pa.py_buffer(data))
