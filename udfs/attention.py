"""How a network attends: each window to itself alone, by kernels that take whatever shapes come.

Enters: a network of transformers. Leaves: the same, attending as we say. Must not import: pyspark.

Windows lie side by side in rows that are padded, or end to end in one row, a pack. For a pack the
network is given the place of each token in its window, and attention runs over the windows by
kernels of variable length. Neither way does the host look at what is on the device.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from spark_entities.udfs.positions import first_position, untried


def _find_kernel() -> Any:
    """Return attention of variable length, which torch has from 2.10 on."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn


log = logging.getLogger("spark_entities.attention")

_NAME = "spark_entities"

# cuDNN's attention builds a plan for each new shape, and ours are always new.
_BACKENDS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
_backends_lock = threading.Lock()
_attend_to_windows = _find_kernel()
_SHORT = 7  # tokens
_TOLERANCE = 0.1  # of half precision, through many layers

_pack: ContextVar[tuple[torch.Tensor, int] | None] = ContextVar("pack", default=None)


@contextmanager
def packed(row_splits: torch.Tensor, longest: int) -> Iterator[None]:
    """Tell the attention inside which windows a row holds.

    Args:
        row_splits: int32, (num_windows + 1,), on the device: where each begins.
        longest: tokens of the longest.

    """
    token = _pack.set((row_splits, longest))
    try:
        yield
    finally:
        _pack.reset(token)


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """Attend, as transformers' `AttentionInterface` wants it.

    Args:
        module: of the network.
        query: (rows, heads, width, size of a head).
        key: likewise.
        value: likewise.
        attention_mask: bool, (rows, 1, width, width); nothing where all is attended to.
        scaling: of the products.
        sliding_window: how far to see to either side, and one more.
        settings: whatever else transformers gives.

    Returns: (rows, width, heads, size of a head).

    """
    pack = _pack.get()
    if pack is None:
        settings |= {"scaling": scaling, "sliding_window": sliding_window}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    row_splits, longest = pack
    reach = -1 if sliding_window is None else sliding_window - 1
    query, key, value = (each[0].transpose(0, 1) for each in (query, key, value))
    attended: torch.Tensor = _attend_to_windows(
        *(query, key, value, row_splits, row_splits, longest, longest),
        scale=scaling,
        window_size=(reach, reach),
    )
    return attended[None], None


def _mask(*sizes: Any, **settings: Any) -> Any:
    """Make the mask of padded rows without a look at it: that would wait for the device."""
    if _pack.get() is not None:
        return None
    if settings.get("attention_mask") is not None:
        settings |= {"allow_is_bidirectional_skip": False, "allow_is_causal_skip": False}
    return sdpa_mask(*sizes, **settings)


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, _mask)


def attend_our_way(network: PreTrainedModel) -> None:
    """Have a network attend by `_attend`, if it is one that attends by torch's own attention."""
    if network.config._attn_implementation == "sdpa":
        network.set_attn_implementation(_NAME)


@contextmanager
def without_plans(device: torch.device) -> Iterator[None]:
    """Keep torch's attention from backends that compile for each shape, inside and no longer.

    The choice is the process's, so one thread at a time has it.
    """
    if device.type != "cuda":
        yield
        return
    with _backends_lock, sdpa_kernel(_BACKENDS):
        yield


def pack_positions(
    network: torch.nn.Module, max_positions: int, device: torch.device
) -> int | None:
    """Return where positions begin in a network that takes windows end to end, if it does.

    It is asked itself, by a window of all its positions and a short one behind it: they must come
    out as each does alone, and of the short one not a bit may depend on its neighbour.

    Args:
        network: on its device.
        max_positions: of a window.
        device: of the network.

    """
    if not isinstance(network, PreTrainedModel):
        return None
    first = first_position(network.config.to_dict())
    obstacle = _no_interface(network) or _no_kernel(network.dtype, device) or ""
    if not obstacle:
        try:
            obstacle = _unlike_alone(network, first, max_positions, device)
        except (RuntimeError, ValueError, TypeError) as error:
            obstacle = f"an attempt ended in {type(error).__name__}"
    layout = f"side by side, with padding: {obstacle}" if obstacle else "end to end"
    log.info("Windows go through %s %s.", type(network).__name__, layout)
    return None if obstacle else first


def _no_interface(network: PreTrainedModel) -> str | None:
    """Return why a network is not known to take packs, if it is not."""
    if network.config._attn_implementation != _NAME:
        return "it has an attention of its own"
    return untried(network.config.model_type)


def _no_kernel(dtype: torch.dtype, device: torch.device) -> str | None:
    """Return why there is no attention of variable length, if there is none."""
    if _attend_to_windows is None:
        return "torch before 2.10 has no attention of variable length"
    if dtype not in (torch.bfloat16, torch.float16):
        return f"attention of variable length does not compute in {dtype}"
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0):
        return f"attention of variable length does not run on {device}"
    return None


@torch.inference_mode()
def _unlike_alone(
    network: PreTrainedModel, first: int, max_positions: int, device: torch.device
) -> str:
    """Return in what windows of a pack differ from windows alone; nothing if they do not."""
    pad_token_id = network.config.pad_token_id
    pad_token_id = -1 if pad_token_id is None else pad_token_id
    ids = torch.arange(max_positions, device=device) % network.config.vocab_size
    one = ids.where(ids != pad_token_id, 1 if pad_token_id == 0 else 0)
    other, short = one.flip(0), one[:_SHORT]
    places = torch.cat([torch.arange(len(each), device=device) for each in (one, short)])
    splits = torch.tensor([0, len(one), len(places)], dtype=torch.int32, device=device)
    with without_plans(device):
        alone = torch.cat([network(input_ids=each[None]).logits[0] for each in (one, short)])
        with packed(splits, len(one)):
            together, beside_other = (
                network(
                    input_ids=torch.cat([each, short])[None], position_ids=places[None] + first
                ).logits[0]
                for each in (one, other)
            )
    if not torch.equal(together[len(one) :], beside_other[len(one) :]):
        return "a window sees its neighbour"
    if not (together - alone).norm() <= _TOLERANCE * alone.norm():
        return "a window is not what it is alone"
    return ""
