"""The files that a checkpoint's weights are loaded from: those that are digested, and no others.

Enters: a checkpoint's folder. Leaves: files in it, names and shapes of what they hold.
Must not import: pyspark, torch, transformers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from spark_entities.udfs.errors import ModelLoadError

_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"  # as transformers looks
_ADAPTER = "adapter_config.json"


@contextmanager
def refuse_whatever(reason: str) -> Iterator[None]:
    """Refuse a checkpoint, whatever a library raises that reads it; Rust's panics are no Exception.

    Raises:
        ModelLoadError: with the reason, and what was raised.

    """
    try:
        yield
    except (ModelLoadError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise ModelLoadError(f"model.name: {reason} ({type(error).__name__}): {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a checkpoint.

    Raises:
        ModelLoadError: if there is none.

    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelLoadError(
            f"model.name: {path.parent} has no {path.name}: it is not a Hugging Face checkpoint. "
            f"Give a folder written by save_pretrained()."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(f"model.name: {path} is not valid JSON. Copy it again.") from error
    if not isinstance(value, dict):
        raise ModelLoadError(f"model.name: {path} is not a JSON object. Copy it again.")
    return value


def find_weights(folder: Path, config: Mapping[str, Any]) -> tuple[Path, ...]:
    """Find the files that transformers will load, in order of their names.

    Args:
        folder: of the checkpoint.
        config: its config.json.

    Raises:
        ModelLoadError: if there are none, or others would be loaded than lie in the folder itself.

    """
    leads_away = {
        "transformers_weights in its config.json": bool(config.get("transformers_weights")),
        _ADAPTER: (folder / _ADAPTER).exists(),
    }
    for what, is_there in leads_away.items():
        if is_there:
            raise ModelLoadError(
                f"model.name: {folder} has {what}, by which other weights than its own are loaded. "
                f"Load the model in a safe place, merge it, and save_pretrained() it again."
            )
    if (folder / _WHOLE).exists():
        return (folder / _WHOLE,)
    if not (folder / _INDEX).exists():
        raise ModelLoadError(
            f"model.name: {folder} has no {_WHOLE}. Weights in other formats can run code and "
            f"are refused: load the model in a safe place and save_pretrained() it again."
        )
    places = read_json(folder / _INDEX).get("weight_map")
    names = {*map(str, places.values())} if isinstance(places, dict) else set()
    there = {path.name for path in folder.glob("*.safetensors") if path.is_file()}
    if not names or not names <= there:
        raise ModelLoadError(
            f"model.name: {folder / _INDEX} does not name files beside it alone. Copy the "
            f"checkpoint again, all of its files into one folder."
        )
    return tuple(folder / name for name in sorted(names))


def read_shapes(weight_files: Sequence[Path]) -> dict[str, list[int]]:
    """Read the names and shapes of the weights off the heads of their files.

    Raises:
        ModelLoadError: if a file is none of safetensors.

    """
    shapes: dict[str, list[int]] = {}
    for path in weight_files:
        try:
            with safe_open(path, framework="numpy") as tensors:
                shapes |= {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ModelLoadError(
                f"model.name: {path} cannot be read as safetensors ({type(error).__name__}). "
                f"Copy it again."
            ) from error
    return shapes
