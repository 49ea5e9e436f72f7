"""How a network attends while it is trained on a CPU: nothing is copied that need not be.

Enters: a network of transformers. Leaves: the same, in one precision from embeddings to head.
Must not import: Spark.

Under autocast, transformers' eager attention adds a float32 mask to bfloat16 products, and layers
hand on float32, which the next one rounds again.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv
from transformers.masking_utils import eager_mask

from spark_entities.udfs.positions import untried

_NAME = "spark_entities_training"


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend in the precision of the query, as transformers' `AttentionInterface` wants it.

    Args:
        module: of the network.
        query: (rows, heads, width, size of a head).
        key: likewise.
        value: likewise.
        attention_mask: float, (rows, 1, width, width), to be added; nothing without padding.
        scaling: of the products.
        dropout: share of the weights that is dropped.

    Returns: (rows, width, heads, size of a head).

    """
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    groups = getattr(module, "num_key_value_groups", 1)  # heads that share a key
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    with torch.autocast(query.device.type, enabled=False):
        products = (query * scaling) @ key.transpose(-2, -1)
        if attention_mask is not None:
            products += attention_mask.to(products.dtype)
        weights = torch.nn.functional.dropout(products.softmax(-1), dropout, module.training)
        return (weights @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, eager_mask)


def attend_without_copies(network: PreTrainedModel) -> None:
    """Have a network of a family that was tried compute in one precision; others stay as they are.

    Args:
        network: on a CPU, attending by transformers' eager attention.

    """
    if untried(network.config.model_type) is None:
        network.set_attn_implementation(_NAME)
        embeddings = getattr(network.base_model, "embeddings", network.get_input_embeddings())
        embeddings.register_forward_hook(_round)


def _round(_: torch.nn.Module, __: Any, embedded: torch.Tensor) -> torch.Tensor:
    """Hand on embeddings in the precision that matrices are multiplied in."""
    device = embedded.device.type
    if not torch.is_autocast_enabled(device):
        return embedded
    return embedded.to(torch.get_autocast_dtype(device))
