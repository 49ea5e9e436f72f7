"""What a checkpoint says of itself: its folder, labels, window and weights, read without torch.

Enters: model options. Leaves: a `Checkpoint`, or the reason why it cannot be trusted.
Must not import: pyspark, torch, transformers. A driver that only plans needs none of them.

Nothing is accepted that can run code: weights are safetensors, custom code is never loaded.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.digests import digest_files, state_of
from spark_entities.udfs.errors import ModelLoadError
from spark_entities.udfs.frames import check_ids, read_frame
from spark_entities.udfs.options import BUNDLED, ModelOptions
from spark_entities.udfs.positions import usable_positions
from spark_entities.udfs.registry import REGISTERED, fetch_model
from spark_entities.udfs.weights import find_weights, read_json, read_shapes, refuse_whatever

BUNDLED_FOLDER = Path(__file__).parent / "bundled"

_USUAL_SPECIAL_TOKENS = 2  # one before and one after the text
HEADS = ("classifier.", "score.")  # how the names of a head's weights begin
_USUAL_LABELS, _MOST_LABELS = 2, 100_000  # where config.json does not name them
_OTHER_TASK = re.compile(
    "For(SequenceClassification|QuestionAnswering|MultipleChoice|MaskedLM|CausalLM|PreTraining"
    "|NextSentencePrediction|ConditionalGeneration)$"
)
_DOWNLOADED = ["*.json", "*.safetensors", "*.model", "*.txt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint in a folder of this machine. What takes reading a large file is a method."""

    options: ModelOptions  # with the revision pinned
    folder: Path
    scheme: LabelScheme
    max_positions: int  # tokens that the model can take at once, special tokens counted
    weight_files: tuple[Path, ...]  # in order of their names
    states: tuple[tuple[int, ...], ...]  # of the files, before they were read
    num_weights: int  # how many numbers the model consists of
    shared: Path | None = None  # of the processes that check it together; see digests.py

    def read_capacity(self) -> int:
        """Read the tokens of one window, special tokens not counted, off the whole tokenizer."""
        path = self.folder / "tokenizer.json"
        if not path.exists():
            return self.max_positions - _USUAL_SPECIAL_TOKENS
        num_ids = read_json(self.folder / "config.json").get("vocab_size")
        given = path, path.stat().st_mtime_ns, num_ids if isinstance(num_ids, int) else None
        return self.max_positions - _count_special_tokens(*given)

    def read_type(self) -> str:
        """Read which family the model is of, as transformers names it."""
        return str(read_json(self.folder / "config.json").get("model_type"))

    def digest(self) -> str:
        """Return the SHA-256 of the weights' file; of its files' digests, where it has several."""
        return digest_files(self.weight_files, self.shared)

    def has_changed(self) -> bool:
        """Tell whether the weights' files are others than were found, and digested."""
        return self.states != tuple(map(state_of, self.weight_files))

    def identify(self) -> str:
        """Return `name@revision`: the commit of a Hub model, else the start of the SHA-256."""
        return f"{self.options.name}@{self.options.revision or self.digest()[:12]}"

    def pin(self) -> ModelOptions:
        """Return options for executors: they find the same folder, and refuse other weights."""
        options = replace(self.options, sha256=self.digest())
        registered = options.name.startswith(REGISTERED)
        if registered or (Path(options.name).expanduser().is_dir() and options.name != BUNDLED):
            return replace(options, name=str(self.folder.absolute()))
        return options


def find_checkpoint(options: ModelOptions, shared: Path | None = None) -> Checkpoint:
    """Find a checkpoint and check what can be checked without loading it.

    Args:
        options: which one.
        shared: folder of processes that check it together, so that one of them reads it whole.

    Raises:
        ModelLoadError: if it is not there, has no safetensors, no labels or no classifier head, or
            its weights are not those asked for.

    """
    folder, pinned = find_folder(options)
    config = read_json(folder / "config.json")
    _check_task(folder, config)
    scheme = _read_scheme(folder, config)
    weight_files = find_weights(folder, config)
    states = tuple(map(state_of, weight_files))
    shapes = read_shapes(weight_files)
    _check_head(folder, shapes, len(scheme.labels))
    checkpoint = Checkpoint(
        options=pinned,
        folder=folder,
        scheme=scheme,
        max_positions=read_max_positions(folder),
        weight_files=weight_files,
        states=states,
        num_weights=sum(map(math.prod, shapes.values())),
        shared=shared,
    )
    if pinned.sha256 is not None and checkpoint.digest() != pinned.sha256:
        raise ModelLoadError(  # a bit that flipped loads without a word
            f"model.sha256={pinned.sha256}, but the weights in {folder} have "
            f"{checkpoint.digest()}. Copy them again, or set model.sha256 to theirs."
        )
    return checkpoint


@functools.cache
def _count_special_tokens(path: Path, modified_ns: int, num_ids: int | None) -> int:  # noqa: ARG001
    """Read how many a tokenizer puts around a text, once for as long as its file is the same."""
    with refuse_whatever(f"{path} is not a tokenizer. Copy it again"):
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        frame = read_frame(tokenizer)
    if num_ids is not None:
        check_ids(tokenizer, frame, num_ids)
    return frame.num_special_tokens


def read_max_positions(folder: Path) -> int:
    """Read how many tokens the model in a folder takes at once, special tokens counted."""
    tokenizer_config = folder / "tokenizer_config.json"
    limits = read_json(tokenizer_config) if tokenizer_config.exists() else {}
    return usable_positions(read_json(folder / "config.json"), limits.get("model_max_length"))


def find_folder(options: ModelOptions) -> tuple[Path, ModelOptions]:
    """Find a model's folder, fetching it if need be; returns it with the revision pinned.

    Raises:
        ModelLoadError: if there is none.

    """
    if options.name == BUNDLED:
        if not BUNDLED_FOLDER.is_dir():
            raise ModelLoadError(
                f"model.name={BUNDLED!r} cannot be read out of a zip. Install the wheel, or give "
                f"the folder of a checkpoint."
            )
        return BUNDLED_FOLDER, options
    if options.name.startswith(REGISTERED):
        if options.revision is not None:
            raise ModelLoadError(
                f"model.revision={options.revision!r}: {options.name!r} names its version itself. "
                f"Leave model.revision out."
            )
        registered, name = fetch_model(options.name)
        return registered, replace(options, name=name)
    folder = Path(options.name).expanduser()
    if folder.is_dir():
        return folder, options
    if folder.is_absolute() or options.name.startswith((".", "~")) or options.name.count("/") > 1:
        raise ModelLoadError(
            f"model.name={options.name!r} is not a folder on this machine. Give the folder of a "
            f"checkpoint, a Hub id such as 'organisation/model', a registered model such as "
            f"'models:/name/version', or '{BUNDLED}'."
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


def _read_scheme(folder: Path, config: Mapping[str, Any]) -> LabelScheme:
    """Read the labels; transformers' own names where a configuration leaves them out."""
    num_labels = config.get("num_labels", _USUAL_LABELS)
    by_default = {}
    if isinstance(num_labels, int) and 0 < num_labels <= _MOST_LABELS:
        by_default = {str(index): f"LABEL_{index}" for index in range(num_labels)}
    labels = config.get("id2label", by_default)
    if not labels:
        raise ModelLoadError(
            f"model.name: {folder} names no labels (id2label in config.json), so it has no head "
            f"for token classification. Give a checkpoint fine-tuned for token classification."
        )
    names = {}
    if isinstance(labels, dict) and all(str(index).isdecimal() for index in labels):
        names = {int(index): name for index, name in labels.items() if isinstance(name, str)}
    if sorted(names) != [*range(len(labels))]:
        raise ModelLoadError(
            f"model.name: {folder}: id2label in config.json does not name a label for each of 0, "
            f"1, 2 and so on. Mend it there."
        )
    return LabelScheme.from_id2label(names)


def _check_task(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a model of another task, whose head may have the names and the shape of ours."""
    architectures = config.get("architectures")
    names = [str(name) for name in architectures] if isinstance(architectures, list) else []
    others = [name for name in names if _OTHER_TASK.search(name)]
    if others and not any(name.endswith("ForTokenClassification") for name in names):
        raise ModelLoadError(
            f"model.name: {folder} is {others[0]} (architectures in config.json), a model of "
            f"another task. Give a checkpoint fine-tuned for token classification."
        )


def _check_head(folder: Path, shapes: Mapping[str, Sequence[int]], num_labels: int) -> None:
    heads = {name: shape for name, shape in shapes.items() if name.startswith(HEADS)}
    if not heads:
        raise ModelLoadError(
            f"model.name: {folder} has no classifier head, only {len(shapes)} weights of an "
            f"encoder. It would classify at random. Give a checkpoint fine-tuned for token "
            f"classification."
        )
    for name, shape in heads.items():
        if name in ("classifier.weight", "score.weight") and shape[0] != num_labels:
            raise ModelLoadError(
                f"model.name: {folder}: id2label names {num_labels} labels, the classifier head "
                f"has {shape[0]}. Mend id2label in config.json."
            )
