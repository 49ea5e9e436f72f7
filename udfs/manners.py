"""How a network takes windows: it is asked by a few of them, once, before it is used.

Enters: a network, best on a CPU still. Leaves: what of a window it heeds, and whether padding
changes what is beside it.
Must not import: pyspark.

Networks are asked and not listed: what counts is what the weights do, whatever they are called.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from spark_entities.udfs.core.arrays import Ints
from spark_entities.udfs.core.batching import Frame
from spark_entities.udfs.errors import ModelLoadError
from spark_entities.udfs.failures import ran_out_of_memory

log = logging.getLogger("spark_entities.model")

_SHORT, _LONG = 5, 1024  # tokens of text; of what is asked beside it, at most
_LONGEST = 4096  # beyond it there are no tables of positions to fall off, and asking takes minutes
_TOLERANCE = 1e-3
_HALF_TOLERANCE = 0.1  # of half precision, through many layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How a network takes windows."""

    pads: bool = True  # whether what is beside padding comes out as without
    heeds_types: bool = False  # whether token types change what comes out


def ask(network: PreTrainedModel, frame: Frame, max_positions: int, num_ids: int) -> Manners:
    """Ask a network how it takes windows.

    Args:
        network: ready to be used, best on a CPU still, where an index out of range is but an error.
        frame: of a window, as the tokenizer makes it.
        max_positions: tokens of the longest window.
        num_ids: of its vocabulary.

    Raises:
        ModelLoadError: if it takes no window of that length, or says otherwise when asked again.

    """
    asked = _Asked(network, frame, num_ids)
    try:
        short = asked.say(_SHORT)
    except RuntimeError as error:
        if "not implemented for" not in str(error):
            raise
        log.info("%s cannot be asked in %s here.", type(network).__name__, network.dtype)
        return Manners()
    room = max_positions - frame.num_special_tokens
    long = asked.say_at_length(min(room, _LONG))
    if long is None:
        return Manners()
    if room > _LONG:
        asked.say_at_length(min(room, _LONGEST))
    again = asked.say(_SHORT), asked.say(min(room, _LONG))
    if not (asked.same(short, again[0]) and asked.same(long, again[1])):
        raise ModelLoadError(
            f"model.name: {type(network).__name__} says otherwise of the same text when it is "
            f"asked again: results would depend on what was classified before. Such a network "
            f"cannot be used."
        )
    typed = asked.takes("token_type_ids") and asked.say(_SHORT, types=True)
    return Manners(
        pads=asked.takes("attention_mask")
        and asked.same(short, asked.say(_SHORT, width=min(max_positions, _LONG))),
        heeds_types=isinstance(typed, torch.Tensor) and not torch.equal(short, typed),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    network: PreTrainedModel
    frame: Frame
    num_ids: int

    def takes(self, name: str) -> bool:
        """Tell whether its forward has an argument of a name."""
        return name in inspect.signature(self.network.forward).parameters

    @torch.inference_mode()
    def say(self, length: int, *, width: int | None = None, types: bool = False) -> torch.Tensor:
        """Return its logits of a window of some text, padded to a width, with its types."""
        frame = self.frame
        known = np.setdiff1d(
            np.arange(min(self.num_ids, 1000)),
            [*frame.prefix_ids, *frame.suffix_ids, frame.pad_token_id],
        )
        text = np.resize(known, length)
        window = np.concatenate([frame.prefix_ids, text, frame.suffix_ids])
        given = {"input_ids": _row(window)}
        if width is not None:
            padding = (0, width - len(window))
            given["attention_mask"] = _row(np.pad(np.ones_like(window), padding))
            padded = np.pad(window, padding, constant_values=frame.pad_token_id)
            given["input_ids"] = _row(padded)
        if types and frame.types is not None:
            between = np.full(length, frame.types.text)
            given["token_type_ids"] = _row(
                np.concatenate([frame.types.prefix, between, frame.types.suffix])
            )
        logits: torch.Tensor = self.network(**given).logits
        return logits[0, : len(window)].float()

    def say_at_length(self, length: int) -> torch.Tensor | None:
        """Return its logits of a long window; nothing if there is no memory for it here.

        Raises:
            ModelLoadError: if it takes none of that length.

        """
        try:
            return self.say(length)
        except (RuntimeError, IndexError, ValueError) as error:
            if isinstance(error, RuntimeError) and ran_out_of_memory(error):
                return None
            raise ModelLoadError(
                f"model.name: {type(self.network).__name__} takes no window of "
                f"{length + self.frame.num_special_tokens} tokens ({type(error).__name__}). Set "
                f"model_max_length in the checkpoint's tokenizer_config.json to what it takes."
            ) from error

    def same(self, one: torch.Tensor, other: torch.Tensor) -> bool:
        """Tell whether two answers are the same, but for rounding."""
        tolerance = _TOLERANCE if self.network.dtype == torch.float32 else _HALF_TOLERANCE
        return bool((one - other).norm() <= tolerance * one.norm())


def _row(values: Ints) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.int64))[None]


def forget(network: PreTrainedModel) -> None:
    """Have a network begin each batch with the attention that it was loaded with.

    BigBird changes to full attention for good when it meets a short window.
    """
    base = getattr(network, getattr(network, "base_model_prefix", ""), None)
    change = getattr(base, "set_attention_type", None)
    if base is None or change is None:
        return
    loaded = base.attention_type
    network.register_forward_pre_hook(lambda *_: change(loaded))
