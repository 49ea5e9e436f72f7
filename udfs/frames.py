"""What a tokenizer puts around a text, and whether the network knows all the ids that it gives.

Enters: a tokenizer. Leaves: the frame of a window, or the reason why none can be made.
Must not import: pyspark, torch, transformers: drivers look at tokenizers as workers do.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import chain, islice

import numpy as np
from tokenizers import Encoding, Tokenizer

from spark_entities.udfs.core.batching import Frame, TokenTypes
from spark_entities.udfs.errors import ModelLoadError

_TRIED = 10_000  # pieces of a vocabulary, as texts


def read_frame(tokenizer: Tokenizer, *, pad_token_id: int = 0, pad_type_id: int = 0) -> Frame:
    """Read off a tokenizer what it puts before and after a text, by one that it makes tokens of.

    Raises:
        ModelLoadError: if it makes tokens of no text.

    """
    encodings = (_encode(tokenizer, text) for text in _texts(tokenizer))
    encoding = next((each for each in encodings if each and 0 in each.special_tokens_mask), None)
    if encoding is None:
        raise ModelLoadError(
            "model.name: the tokenizer makes tokens of none of its own pieces. Copy it again, or "
            "give the checkpoint the tokenizer that it was trained with."
        )
    text = np.flatnonzero(np.array(encoding.special_tokens_mask) == 0)
    before, after = slice(text[0]), slice(text[-1] + 1, None)
    ids, types = (np.array(each, dtype=np.int64) for each in (encoding.ids, encoding.type_ids))
    return Frame(
        prefix_ids=ids[before],
        suffix_ids=ids[after],
        pad_token_id=pad_token_id,
        types=TokenTypes(
            prefix=types[before], text=int(types[text[0]]), suffix=types[after], padding=pad_type_id
        ),
    )


def _encode(tokenizer: Tokenizer, text: str) -> Encoding | None:
    """Encode a text; nothing if the tokenizer has no token for it, and none for the unknown."""
    with suppress(Exception):  # it has no class of its own
        return tokenizer.encode(text)
    return None


def _texts(tokenizer: Tokenizer) -> chain[str]:
    pieces = islice(tokenizer.get_vocab(with_added_tokens=False).items(), _TRIED)
    return chain(["a"], (tokenizer.decode([index]) or piece for piece, index in pieces))


def check_ids(tokenizer: Tokenizer, frame: Frame, num_embeddings: int) -> None:
    """Refuse a tokenizer that gives a text ids for which the network has no embedding.

    Raises:
        ModelLoadError: naming the highest.

    """
    added = tokenizer.get_added_tokens_decoder()
    of_text = [index for index, token in added.items() if not token.special]
    pieces = tokenizer.get_vocab(with_added_tokens=False).values()
    highest = max(chain(pieces, of_text, frame.prefix_ids, frame.suffix_ids), default=0)
    if highest >= num_embeddings:
        raise ModelLoadError(
            f"model.name: the tokenizer gives ids up to {highest}, and the network has embeddings "
            f"of {num_embeddings}. Give the checkpoint the tokenizer that it was trained with."
        )
