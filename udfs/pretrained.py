"""What transformers reads of a checkpoint: nothing that runs code, nothing from afar.

Enters: the folder of a checkpoint. Leaves: its network, its tokenizer.
Must not import: pyspark. Nothing else here calls `from_pretrained`.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from spark_entities.udfs.errors import ModelLoadError

_SAFELY = {"trust_remote_code": False, "local_files_only": True}


def read_network(folder: Path, **settings: object) -> tuple[PreTrainedModel, list[str], list[str]]:
    """Read a token classifier, what its folder lacks being random.

    Args:
        folder: of the checkpoint.
        settings: of transformers, those of the network's configuration too.

    Returns:
        The network, the names of weights that are missing, and of those of another shape.

    Raises:
        OSError, ValueError, KeyError, RuntimeError: if there is no such network that can be read.

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


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Read a tokenizer.

    Raises:
        ModelLoadError: if there is none, or it is a slow one.

    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **_SAFELY)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelLoadError(
            f"model.name: {folder} has no tokenizer that loads ({type(error).__name__})."
            f" Save one beside the model with save_pretrained()."
        ) from error
    if not tokenizer.is_fast:
        raise ModelLoadError(
            f"model.name: {folder} has a slow tokenizer, which gives no character "
            f"offsets. Convert it to a tokenizer.json with transformers."
        )
    return cast("PreTrainedTokenizerBase", tokenizer)
