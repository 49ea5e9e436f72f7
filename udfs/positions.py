"""How a model counts the places of its tokens, and whether it can be told them.

Must not import: pyspark, torch, transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Models whose positions are counted from pad_token_id + 1, as fairseq did.
_FAIRSEQ_POSITIONS = frozenset(
    {
        "camembert",
        "data2vec-text",
        "ibert",
        "longformer",
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
_UNLIMITED = 10**6  # tokenizers without a limit say 1e30
_DEFAULT_POSITIONS = 512  # where neither the model nor the tokenizer sets a limit


def usable_positions(config: Mapping[str, Any], model_max_length: float | None) -> int:
    """Return how many tokens a model takes at once, special tokens counted.

    >>> usable_positions({"model_type": "xlm-roberta", "max_position_embeddings": 514}, 1e30)
    512
    """
    limits = []
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and positions > 0:
        limits.append(positions - first_position(config))
    if model_max_length is not None and model_max_length < _UNLIMITED:
        limits.append(int(model_max_length))
    return min(limits, default=_DEFAULT_POSITIONS)


def first_position(config: Mapping[str, Any]) -> int:
    """Return the position of a window's first token, as a model counts."""
    fairseq = config.get("model_type") in _FAIRSEQ_POSITIONS
    return int(config.get("pad_token_id", 1)) + 1 if fairseq else 0


def untried(model_type: str) -> str | None:
    """Return why models of a type are not given windows end to end, if they are not."""
    if model_type in PACKING_FAMILIES:
        return None
    return f"packs were not tested with models of type {model_type}"
