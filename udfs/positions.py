"""How a model counts the places of its tokens, and whether it can be told them.

Must not import: pyspark, torch, transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spark_entities.udfs.errors import ModelLoadError

# Models whose positions are counted from pad_token_id + 1, as fairseq did.
_FAIRSEQ_POSITIONS = frozenset(
    {
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "layoutlmv3",
        "lilt",
        "longformer",
        "luke",
        "markuplm",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
# Families whose packs were seen to give what padded rows give (tests/unit/udfs/test_attention.py):
# their embeddings take positions, and they attend by transformers' `AttentionInterface`.
PACKING_FAMILIES = frozenset(
    [
        "albert",
        "bert",
        "camembert",
        "data2vec-text",
        "distilbert",
        "electra",
        "ernie",
        "eurobert",
        "gte",
        "jina_embeddings_v3",
        "modernbert",
        "nomic_bert",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
    ]
)
# How configurations say how many positions there are.
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len")
_UNLIMITED = 10**6  # tokenizers without a limit say 1e30
_DEFAULT_POSITIONS = 512  # where neither the model nor the tokenizer sets a limit


def usable_positions(config: Mapping[str, Any], model_max_length: float | None) -> int:
    """Return how many tokens a model takes at once, special tokens counted.

    Raises:
        ModelLoadError: if a limit is not a number, or leaves no room.

    >>> usable_positions({"model_type": "xlm-roberta", "max_position_embeddings": 514}, 1e30)
    512
    """
    limits = []
    for key in _POSITIONS:
        positions = _number(key, config.get(key), -1)
        if 0 < positions < _UNLIMITED:
            limits.append(int(positions) - first_position(config))
    limit = _number("model_max_length", model_max_length, _UNLIMITED)
    if limit < _UNLIMITED:
        limits.append(int(limit))
    usable = min(limits, default=_DEFAULT_POSITIONS)
    if usable <= 0:
        raise ModelLoadError(
            f"model.name: its config.json and tokenizer_config.json leave {usable} tokens for a "
            f"window. Mend model_max_length or max_position_embeddings there."
        )
    return usable


def first_position(config: Mapping[str, Any]) -> int:
    """Return the position of a window's first token, as a model counts.

    Raises:
        ModelLoadError: if the model counts from a padding token that is no number.

    """
    if str(config.get("model_type")) not in _FAIRSEQ_POSITIONS:
        return 0
    return int(_number("pad_token_id", config.get("pad_token_id", 1), None)) + 1


def _number(key: str, value: object, absent: float | None) -> float:
    """Return a number of a checkpoint; what stands for it where the checkpoint has none."""
    if value is None and absent is not None:
        return absent
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ModelLoadError(
            f"model.name: the checkpoint's {key}={value!r} is not a number. Mend it in its "
            f"config.json or tokenizer_config.json."
        )
    return value


def untried(model_type: str) -> str | None:
    """Return why models of a type are not given windows end to end, if they are not."""
    if model_type in PACKING_FAMILIES:
        return None
    return f"packs were not tested with models of type {model_type}"
