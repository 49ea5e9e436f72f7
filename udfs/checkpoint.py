"""What a checkpoint says of itself: its folder, labels, window and weights, read without torch.

Enters: model options. Leaves: a `Checkpoint`, or the reason why it cannot be trusted.
Must not import: pyspark, torch, transformers. A driver that only plans needs none of them.

Nothing is accepted that can run code: weights are safetensors, custom code is never loaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.digests import digest_files
from spark_entities.udfs.errors import ModelLoadError
from spark_entities.udfs.options import BUNDLED, ModelOptions

BUNDLED_FOLDER = Path(__file__).parent / "bundled"

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
_UNLIMITED = 10**6  # tokenizers without a limit say 1e30
_DEFAULT_POSITIONS = 512  # where neither the model nor the tokenizer sets a limit
_USUAL_SPECIAL_TOKENS = 2  # one before and one after the text
_HEADS = ("classifier.", "score.")
_DOWNLOADED = ["*.json", "*.safetensors", "*.model", "*.txt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint in a folder of this machine."""

    options: ModelOptions  # with the revision pinned
    folder: Path
    scheme: LabelScheme
    max_positions: int  # tokens that the model can take at once, special tokens counted
    shared: Path | None = None  # of the processes that check it together; see digests.py

    @property
    def worker_options(self) -> ModelOptions:
        """The options for executors: they find the same folder, and refuse other weights."""
        options = replace(self.options, sha256=self.sha256)
        if not Path(options.name).expanduser().is_dir() or options.name == BUNDLED:
            return options
        return replace(options, name=str(self.folder.absolute()))

    @property
    def capacity(self) -> int:
        """Tokens of one window, special tokens not counted."""
        path = self.folder / "tokenizer.json"
        if not path.exists():
            return self.max_positions - _USUAL_SPECIAL_TOKENS
        tokenizer = Tokenizer.from_file(str(path))
        return self.max_positions - int(tokenizer.num_special_tokens_to_add(is_pair=False))

    @property
    def weight_files(self) -> list[Path]:
        """The safetensors files, in order of their names."""
        return sorted(self.folder.glob("*.safetensors"))

    @property
    def num_weights(self) -> int:
        """How many numbers the model consists of."""
        return sum(math.prod(shape) for shape in _weight_shapes(self).values())

    @property
    def identity(self) -> str:
        """`name@revision`: the commit of a Hub model, else the start of the weights' SHA-256."""
        return f"{self.options.name}@{self.options.revision or self.sha256[:12]}"

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights' file; of its files' digests, where there are several."""
        return digest_files(self.weight_files, self.shared)


def find_checkpoint(options: ModelOptions, shared: Path | None = None) -> Checkpoint:
    """Find a checkpoint and check what can be checked without loading it.

    Args:
        options: which one.
        shared: folder of processes that check it together, so that one of them reads it whole.

    Raises:
        ModelLoadError: if it is not there, has no safetensors, no labels or no classifier head.

    """
    folder, pinned = find_folder(options)
    config = _read_json(folder / "config.json")
    scheme = LabelScheme.from_id2label(_read_labels(config, folder))
    checkpoint = Checkpoint(
        options=pinned,
        folder=folder,
        scheme=scheme,
        max_positions=read_max_positions(folder),
        shared=shared,
    )
    _check_weights(checkpoint)
    _check_digest(checkpoint)
    return checkpoint


def read_max_positions(folder: Path) -> int:
    """Read how many tokens the model in a folder takes at once, special tokens counted."""
    tokenizer_config = folder / "tokenizer_config.json"
    limits = _read_json(tokenizer_config) if tokenizer_config.exists() else {}
    return usable_positions(_read_json(folder / "config.json"), limits.get("model_max_length"))


def usable_positions(config: Mapping[str, Any], model_max_length: float | None) -> int:
    """Return how many tokens a model takes at once, special tokens counted.

    >>> usable_positions({"model_type": "xlm-roberta", "max_position_embeddings": 514,
    ...                   "pad_token_id": 1}, 1e30)
    512
    """
    limits = []
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and positions > 0:
        fairseq = config.get("model_type") in _FAIRSEQ_POSITIONS
        limits.append(positions - (config.get("pad_token_id", 1) + 1 if fairseq else 0))
    if model_max_length is not None and model_max_length < _UNLIMITED:
        limits.append(int(model_max_length))
    return min(limits, default=_DEFAULT_POSITIONS)


def find_folder(options: ModelOptions) -> tuple[Path, ModelOptions]:
    """Find a model's folder, fetching it if need be; returns it with the revision pinned.

    Raises:
        ModelLoadError: if there is none.

    """
    if options.name == BUNDLED:
        return BUNDLED_FOLDER, options
    folder = Path(options.name).expanduser()
    if folder.is_dir():
        return folder, options
    if folder.is_absolute() or options.name.startswith((".", "~")) or options.name.count("/") > 1:
        raise ModelLoadError(
            f"model.name={options.name!r} is not a folder on this machine. Give the folder of a "
            f"checkpoint, a Hub id such as 'organisation/model', or '{BUNDLED}'."
        )
    snapshot = _download(options)
    return snapshot, replace(options, revision=snapshot.name)


def _download(options: ModelOptions) -> Path:
    """Fetch a Hub model into the local cache, or find it there; the commit names its folder."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(
            snapshot_download(options.name, revision=options.revision, allow_patterns=_DOWNLOADED)
        )
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        raise ModelLoadError(
            f"model.name={options.name!r} is neither a folder here nor a Hub model that can be "
            f"fetched or is in the cache ({type(error).__name__}). Give the folder of a "
            f"checkpoint, or fetch the model first where the Hub can be reached."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelLoadError(
            f"model.name: {path.parent} has no {path.name}: it is not a Hugging Face checkpoint. "
            f"Give a folder written by save_pretrained()."
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelLoadError(f"model.name: {path} is not valid JSON. Copy it again.") from error
    if not isinstance(value, dict):
        raise ModelLoadError(f"model.name: {path} is not a JSON object. Copy it again.")
    return value


def _read_labels(config: Mapping[str, Any], folder: Path) -> dict[int, str]:
    labels = config.get("id2label")
    if not labels:
        raise ModelLoadError(
            f"model.name: {folder} names no labels (id2label in config.json), so it has no head "
            f"for token classification. Give a checkpoint fine-tuned for token classification."
        )
    return {int(index): str(label) for index, label in labels.items()}


def _check_weights(checkpoint: Checkpoint) -> None:
    folder = checkpoint.folder
    if not checkpoint.weight_files:
        raise ModelLoadError(
            f"model.name: {folder} has no *.safetensors. Weights in other formats can run code and "
            f"are refused: load the model in a safe place and save_pretrained() it again."
        )
    shapes = _weight_shapes(checkpoint)
    heads = {name: shape for name, shape in shapes.items() if name.startswith(_HEADS)}
    if not heads:
        raise ModelLoadError(
            f"model.name: {folder} has no classifier head, only {len(shapes)} weights of an "
            f"encoder. It would classify at random. Give a checkpoint fine-tuned for token "
            f"classification."
        )
    num_labels = len(checkpoint.scheme.labels)
    for name, shape in heads.items():
        if name in ("classifier.weight", "score.weight") and shape[0] != num_labels:
            raise ModelLoadError(
                f"model.name: {folder}: id2label names {num_labels} labels, the classifier head "
                f"has {shape[0]}. Mend id2label in config.json."
            )


def _check_digest(checkpoint: Checkpoint) -> None:
    """Refuse weights that are not those asked for: a bit that flipped loads without a word."""
    expected = checkpoint.options.sha256
    if expected is not None and checkpoint.sha256 != expected:
        raise ModelLoadError(
            f"model.sha256={expected}, but the weights in {checkpoint.folder} have "
            f"{checkpoint.sha256}. Copy them again, or set model.sha256 to theirs."
        )


def _weight_shapes(checkpoint: Checkpoint) -> dict[str, list[int]]:
    """Read the names and shapes of the weights off the heads of their files."""
    shapes: dict[str, list[int]] = {}
    for path in checkpoint.weight_files:
        try:
            with safe_open(path, framework="numpy") as tensors:
                shapes |= {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ModelLoadError(
                f"model.name: {path} cannot be read as safetensors ({type(error).__name__}). "
                f"Copy it again."
            ) from error
    return shapes
