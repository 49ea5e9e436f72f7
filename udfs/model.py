"""Load a checkpoint onto a device, whole or not at all.

Enters: model options, a device. Leaves: a `LoadedModel`. Must not import: pyspark.
Nothing else reads checkpoints with transformers, and nothing of theirs that can run code is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from spark_entities.udfs.activation import fuse_gelu
from spark_entities.udfs.attention import attend_our_way, pack_positions
from spark_entities.udfs.checkpoint import Checkpoint, find_checkpoint, read_max_positions
from spark_entities.udfs.core.batching import Frame
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.core.records import Vocabulary
from spark_entities.udfs.core.tokenization import ChunkTokenizer
from spark_entities.udfs.device import choose_device, visible_devices
from spark_entities.udfs.errors import ModelLoadError
from spark_entities.udfs.frames import check_ids, read_frame
from spark_entities.udfs.manners import Manners, ask, forget
from spark_entities.udfs.memory import DeviceMemory
from spark_entities.udfs.options import ModelOptions
from spark_entities.udfs.positions import untried
from spark_entities.udfs.precision import quantize, resolve_dtype
from spark_entities.udfs.sizes import Sizes, sizes_for
from spark_entities.udfs.weights import refuse_whatever

_SAFELY = {"trust_remote_code": False, "local_files_only": True}  # and safetensors for weights
_LONE_WORD_STARTS = ("\u2581", "\u0120")  # SentencePiece's ▁, byte-level BPE's Ġ


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model and its tokenizer, ready on a device."""

    network: torch.nn.Module
    tokenizer: ChunkTokenizer
    scheme: LabelScheme
    device: torch.device
    max_positions: int  # special tokens counted
    frame: Frame
    vocabulary: Vocabulary
    first_position: int | None = None  # of a window in a pack; nothing where windows are padded
    precision: str = "float32"  # in which it computes
    pads: bool = True  # whether windows of several lengths may go together
    memory: DeviceMemory = field(default_factory=DeviceMemory)

    @property
    def packs(self) -> bool:
        """Whether windows go through the network end to end, without padding."""
        return self.first_position is not None

    @property
    def sizes(self) -> Sizes:
        """What suits the device."""
        return sizes_for(self.device.type, packs=self.packs)

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
    target = torch_device(device)
    if options.precision == "int8" and target.type != "cpu":
        raise ModelLoadError(
            f"model.precision='int8' runs on a CPU, not on {target}. Set it to 'auto'."
        )
    dtype = resolve_dtype(options.precision, target)
    network = _load_network(checkpoint, dtype)
    if checkpoint.has_changed():
        raise ModelLoadError(
            f"model.name: the weights in {checkpoint.folder} were changed while they were loaded. "
            f"Put them in place whole, in a new folder."
        )
    if options.precision == "int8":
        quantize(network)
    forget(network)
    loaded = wrap_network(network, checkpoint.folder, checkpoint.scheme, target)
    name = "int8" if options.precision == "int8" else str(dtype).removeprefix("torch.")
    return replace(loaded, precision=name)


def wrap_network(
    network: PreTrainedModel, folder: Path, scheme: LabelScheme, device: torch.device
) -> LoadedModel:
    """Put a network on a device together with the tokenizer of its folder.

    Raises:
        ModelLoadError: if the folder has no fast tokenizer, it is not one for this network, or the
            network takes windows in no way that we have.

    """
    loaded = read_tokenizer(folder)
    with refuse_whatever(f"{folder} has a tokenizer that cannot be used"):
        tokenizer: Tokenizer = loaded.backend_tokenizer
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # what was typed is text
        frame = read_frame(
            tokenizer,
            pad_token_id=loaded.pad_token_id or 0,
            pad_type_id=loaded.pad_token_type_id or 0,
        )
        tokenizer.post_processor = None
        vocabulary = _vocabulary(tokenizer, loaded.all_special_ids, loaded.unk_token_id)
    num_ids = _num_embeddings(network) or len(vocabulary.text_ids)
    check_ids(tokenizer, frame, num_ids)
    max_positions = read_max_positions(folder)
    if "token_type_ids" not in loaded.model_input_names:
        frame = replace(frame, types=None)
    manners = Manners()
    if untried(str(network.config.model_type)) or (frame.types and frame.types.vary):
        with refuse_whatever(f"{folder} does not classify a text by its tokens alone"):
            manners = ask(network, frame, max_positions, num_ids)
    if not manners.heeds_types:
        frame = replace(frame, types=None)
    network.to(device)  # type: ignore[arg-type]
    if device.type == "cuda" and network.dtype != torch.float32:
        fuse_gelu(network)
    return LoadedModel(
        network=network,
        tokenizer=ChunkTokenizer(tokenizer),
        scheme=scheme,
        device=device,
        max_positions=max_positions,
        frame=frame,
        vocabulary=vocabulary,
        first_position=pack_positions(network, max_positions, device) if not frame.types else None,
        pads=manners.pads,
    )


def torch_device(name: str | None) -> torch.device:
    """Return the device of a name, or the best there is. Tests of GPU scheduling give a CPU."""
    return torch.device(name or choose_device(visible=visible_devices()).name)


def read_network(folder: Path, **settings: object) -> tuple[PreTrainedModel, list[str], list[str]]:
    """Read a token classifier, by settings of transformers, what its folder lacks being random.

    Returns the network, the names of weights that are missing, and of those of another shape.

    Raises:
        OSError, ValueError, KeyError, RuntimeError: if transformers reads none from the folder.

    """
    network, report = AutoModelForTokenClassification.from_pretrained(
        folder,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        **_SAFELY,
        **settings,
    )
    unfit = sorted(str(key[0]) for key in report["mismatched_keys"])
    return cast("PreTrainedModel", network), sorted(report["missing_keys"]), unfit


def _load_network(checkpoint: Checkpoint, dtype: torch.dtype) -> PreTrainedModel:
    """Load the network and refuse weights that transformers would fill in at random."""
    disable_progress_bar()  # type: ignore[no-untyped-call]
    with refuse_whatever(f"{checkpoint.folder} does not load as a token classifier"):
        network, absent, unfit = read_network(checkpoint.folder, dtype=dtype)
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
    network.eval()  # type: ignore[no-untyped-call]
    attend_our_way(network)
    return network


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Read a tokenizer.

    Raises:
        ModelLoadError: if there is none, or it is a slow one.

    """
    with refuse_whatever(f"{folder} has no tokenizer that loads. Save one beside the model"):
        tokenizer = AutoTokenizer.from_pretrained(folder, **_SAFELY)
    if not tokenizer.is_fast:
        raise ModelLoadError(
            f"model.name: {folder} has a slow tokenizer, which gives no character "
            f"offsets. Convert it to a tokenizer.json with transformers."
        )
    return cast("PreTrainedTokenizerBase", tokenizer)


def _num_embeddings(network: PreTrainedModel) -> int | None:
    """Return of how many ids a network has embeddings, where it has a table of them."""
    try:
        table = network.get_input_embeddings()
    except NotImplementedError:
        return None
    return int(table.num_embeddings) if isinstance(table, torch.nn.Embedding) else None


def _vocabulary(
    tokenizer: Tokenizer, special_ids: Sequence[int], unknown_id: int | None
) -> Vocabulary:
    """Read off the tokenizer what its pieces tell of words."""
    ids = tokenizer.get_vocab()
    text_ids = np.arange(max(ids.values()) + 1, dtype=np.int32)
    prefix: str | None = getattr(tokenizer.model, "continuing_subword_prefix", None) or None
    continuations = [ids[piece] for piece in ids if prefix and piece.startswith(prefix)]
    word_starts = [ids[piece] for piece in _LONE_WORD_STARTS if piece in ids]
    vocabulary = Vocabulary(
        text_ids=text_ids,
        continuation_ids=np.isin(text_ids, continuations),
        word_start_ids=np.isin(text_ids, word_starts),
    )
    if unknown_id is not None:
        text_ids[special_ids] = unknown_id
    return vocabulary
