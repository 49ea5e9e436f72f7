"""Load a checkpoint onto a device, whole or not at all.

Enters: model options, a device. Leaves: a `LoadedModel`.
Must not import: pyspark. It and `jobs.training` alone import transformers, and with
`forward` torch.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from spark_entities.udfs.checkpoint import Checkpoint, find_checkpoint, read_max_positions
from spark_entities.udfs.core.arrays import Bools
from spark_entities.udfs.core.batching import Frame
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.core.tokenization import ChunkTokenizer
from spark_entities.udfs.device import choose_device, visible_devices
from spark_entities.udfs.errors import ModelLoadError
from spark_entities.udfs.options import ModelOptions, Precision

_LONE_WORD_STARTS = ("\u2581", "\u0120")  # SentencePiece's ▁, byte-level BPE's Ġ


@dataclass(slots=True)
class DeviceMemory:
    """The largest batch that a device was found to hold; no bound until one did not fit."""

    max_padded_tokens: int = sys.maxsize

    def admits(self, rows: int, width: int) -> bool:
        """Tell whether to try a batch; one of a single window is always tried."""
        return rows == 1 or rows * width <= self.max_padded_tokens

    def halve(self, padded_tokens: int) -> None:
        """Remember that a batch did not fit."""
        self.max_padded_tokens = padded_tokens // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model and its tokenizer, ready on a device."""

    network: torch.nn.Module
    tokenizer: ChunkTokenizer
    scheme: LabelScheme
    device: torch.device
    max_positions: int  # special tokens counted
    frame: Frame
    continuation_ids: Bools  # (vocabulary size,): pieces that never start a word
    word_start_ids: Bools  # (vocabulary size,): pieces that are a word start alone
    text_ids: NDArray[np.int32]  # (vocabulary size,): each id as text, special ones as unknown
    memory: DeviceMemory = field(default_factory=DeviceMemory)

    @property
    def capacity(self) -> int:
        """Tokens of one window, special tokens not counted."""
        return self.max_positions - self.frame.num_special_tokens


def load_model(
    options: ModelOptions, device: str | None = None, shared: Path | None = None
) -> LoadedModel:
    """Load a checkpoint onto a device, whole or not at all.

    Args:
        options: which checkpoint, and how.
        device: as torch names it; the best there is when absent.
        shared: folder of processes that load it together; see `find_checkpoint`.

    Raises:
        ModelLoadError: if weights are missing or do not fit, the tokenizer is a slow one, or the
            device cannot compute in the precision.

    """
    checkpoint = find_checkpoint(options, shared)
    target = torch_device(device or choose_device(visible=visible_devices()).name)
    if options.precision == "int8" and target.type != "cpu":
        raise ModelLoadError(
            f"model.precision='int8' runs on a CPU, not on {target}. Set it to 'auto'."
        )
    network: torch.nn.Module = _load_network(checkpoint, resolve_dtype(options.precision, target))
    if options.precision == "int8":
        network = _quantize(network)
    return wrap_network(network.to(target), checkpoint.folder, checkpoint.scheme, target)


def wrap_network(
    network: torch.nn.Module, folder: Path, scheme: LabelScheme, device: torch.device
) -> LoadedModel:
    """Put a network on a device together with the tokenizer of its folder.

    Raises:
        ModelLoadError: if the folder has no fast tokenizer.

    """
    loaded = _load_tokenizer(folder)
    tokenizer: Tokenizer = loaded.backend_tokenizer
    text_ids = np.arange(max(tokenizer.get_vocab().values()) + 1, dtype=np.int32)
    if loaded.unk_token_id is not None:
        text_ids[loaded.all_special_ids] = loaded.unk_token_id
    frame = _frame(tokenizer, loaded.pad_token_id)
    tokenizer.post_processor = None
    return LoadedModel(
        network=network,
        tokenizer=ChunkTokenizer(tokenizer),
        scheme=scheme,
        device=device,
        max_positions=read_max_positions(folder),
        frame=frame,
        continuation_ids=_continuation_ids(tokenizer),
        word_start_ids=_mark_ids(tokenizer, lambda piece: piece in _LONE_WORD_STARTS),
        text_ids=text_ids,
    )


def torch_device(name: str) -> torch.device:
    """Return the device that torch gives a name. Tests of GPU scheduling put a CPU in its place."""
    return torch.device(name)


def resolve_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Choose the weights' format: `auto` takes the smallest that the device computes natively."""
    if precision != "auto":
        return _STORED_AS[precision]
    if device.type == "cuda":
        capable = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if capable else torch.float16
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


_STORED_AS: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.float32,  # until `_quantize`
}


def _quantize(network: torch.nn.Module) -> torch.nn.Module:
    """Multiply in 8-bit integers, scaled by output channel; all else stays float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises to move to torchao, which needs a compiler
        quantization = torch.ao.quantization
        quantized: torch.nn.Module = quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            network, {torch.nn.Linear: quantization.per_channel_dynamic_qconfig}, inplace=True
        )
    return quantized


def _load_network(checkpoint: Checkpoint, dtype: torch.dtype) -> PreTrainedModel:
    """Load the network and refuse weights that transformers would fill in at random."""
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        network, report = AutoModelForTokenClassification.from_pretrained(
            checkpoint.folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # reported below, with the names of the weights
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelLoadError(
            f"model.name: {checkpoint.folder} does not load as a token classifier "
            f"({type(error).__name__}): {error}"
        ) from error
    absent = sorted(report["missing_keys"])
    unfit = sorted(str(key[0]) for key in report["mismatched_keys"])
    if absent or unfit:
        raise ModelLoadError(
            f"model.name: {checkpoint.folder} does not fit its config.json: missing weights "
            f"{absent[:5]}, weights of another shape {unfit[:5]}. It would classify at random; "
            f"give a checkpoint fine-tuned for token classification."
        )
    width = network.config.num_labels
    if width != len(checkpoint.scheme.labels):
        raise ModelLoadError(
            f"model.name: {checkpoint.folder}: the model gives {width} labels, id2label names "
            f"{len(checkpoint.scheme.labels)}. Mend id2label in config.json."
        )
    return cast("PreTrainedModel", network.eval())


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the fast tokenizer, set to leave documents whole and to read what was typed as text."""
    try:
        loaded = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelLoadError(
            f"model.name: {folder} has no tokenizer that loads ({type(error).__name__})."
            f" Save one beside the model with save_pretrained()."
        ) from error
    if not loaded.is_fast:
        raise ModelLoadError(
            f"model.name: {folder} has a slow tokenizer, which gives no character "
            f"offsets. Convert it to a tokenizer.json with transformers."
        )
    loaded.backend_tokenizer.no_truncation()
    loaded.backend_tokenizer.no_padding()
    loaded.backend_tokenizer.encode_special_tokens = True
    return loaded


def _frame(tokenizer: Tokenizer, pad_token_id: int | None) -> Frame:
    """Read off the tokenizer which special tokens it puts before and after a text."""
    encoding = tokenizer.encode("a", add_special_tokens=True)
    ids = np.array(encoding.ids, dtype=np.int64)
    content = np.flatnonzero(np.array(encoding.special_tokens_mask) == 0)
    return Frame(
        prefix_ids=ids[: content[0]],
        suffix_ids=ids[content[-1] + 1 :],
        pad_token_id=pad_token_id or 0,
    )


def _continuation_ids(tokenizer: Tokenizer) -> Bools:
    """Mark the WordPiece pieces that go on with a word: bool, (vocabulary size,)."""
    prefix: str | None = getattr(tokenizer.model, "continuing_subword_prefix", None) or None
    return _mark_ids(tokenizer, lambda piece: prefix is not None and piece.startswith(prefix))


def _mark_ids(tokenizer: Tokenizer, condition: Callable[[str], bool]) -> Bools:
    """Mark the pieces that a condition holds for: bool, (vocabulary size,)."""
    vocabulary = tokenizer.get_vocab()
    marks = np.zeros(max(vocabulary.values()) + 1, dtype=bool)
    marks[[index for piece, index in vocabulary.items() if condition(piece)]] = True
    return marks
