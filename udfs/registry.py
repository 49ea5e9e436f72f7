"""Models of an MLflow registry, such as Unity Catalog: one version found, and fetched once.

Enters: `models:/name/version` or `models:/name@alias`. Leaves: a folder with a checkpoint.
Must not import: pyspark, torch, transformers; mlflow, an extra, only where such a model is wanted.

Nothing of a model is run or unpickled: its files are copied, and checked as any checkpoint's are.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from filelock import FileLock
from huggingface_hub import constants

from spark_entities.udfs.errors import ModelLoadError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

REGISTERED = "models:/"

_NAME = re.compile(r"models:/(?P<model>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@]+))")
_TOKENIZER = Path("components", "tokenizer")  # where MLflow's flavor transformers has it


def fetch_model(name: str) -> tuple[Path, str]:
    """Find the version that a name means, and its folder in the cache beside the Hub's.

    The cache is in `HF_HOME`. Returns the folder, and `models:/name/version`.

    Raises:
        ModelLoadError: if there is none, it cannot be fetched, or it holds no checkpoint.

    """
    version = _find_version(name)
    pinned = f"{REGISTERED}{version.name}/{version.version}"
    made = version.source, version.creation_timestamp  # another registry may have such a name too
    key = hashlib.sha256(repr(made).encode()).hexdigest()[:12]
    folder = Path(constants.HF_HOME, "mlflow", f"{version.name}-{version.version}-{key}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                with TemporaryDirectory(dir=folder.parent) as unfinished:
                    _download(pinned, Path(unfinished)).rename(folder)
    except OSError as error:
        raise ModelLoadError(
            f"model.name={name!r} cannot be kept in {folder.parent} ({error.strerror}). Set "
            f"HF_HOME to a folder that can be written to."
        ) from error
    return folder, pinned


def _find_version(name: str) -> ModelVersion:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ModelLoadError(
            f"model.name={name!r} is no version of a registered model. Give "
            f"models:/name/version or models:/name@alias."
        )
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise ModelLoadError(f"model.name={name!r} needs MLflow. Install mlflow-skinny.") from error
    model, version, alias = match.group("model", "version", "alias")
    try:
        client = MlflowClient()
        if alias is not None:
            return client.get_model_version_by_alias(model, alias)
        return client.get_model_version(model, version)
    except MlflowException as error:
        raise ModelLoadError(
            f"model.name={name!r} is not found in the registry ({error.error_code}). Name a "
            f"version that is there, and the registry by MLFLOW_TRACKING_URI or "
            f"MLFLOW_REGISTRY_URI."
        ) from error


def _download(pinned: str, into: Path) -> Path:
    """Copy a version's files; returns the folder of its checkpoint, with its tokenizer."""
    from mlflow.artifacts import download_artifacts

    try:
        root = Path(download_artifacts(pinned, dst_path=str(into)))
    except Exception as error:  # each kind of store has errors of its own
        raise ModelLoadError(
            f"model.name={pinned!r} cannot be fetched ({type(error).__name__}). See that its files "
            f"can be read from here."
        ) from error
    found = {config.parent for config in root.rglob("config.json")}
    folders = [folder for folder in found if any(folder.glob("*.safetensors"))]
    if len(folders) != 1:
        raise ModelLoadError(
            f"model.name={pinned!r} has {len(folders)} folders with config.json and safetensors. "
            f"Register a model that has one, logged by log_model() or as flavor transformers."
        )
    if (root / _TOKENIZER).is_dir():
        shutil.copytree(root / _TOKENIZER, folders[0], dirs_exist_ok=True)
    return folders[0]
