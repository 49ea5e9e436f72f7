"""The network that is trained: a base checkpoint with a head for the recipe's labels.

Enters: a folder or Hub id, a recipe. Leaves: a network on a device; in the end, a checkpoint.
Must not import: Spark.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification, PreTrainedModel

from spark_entities.jobs.training.recipe import Recipe
from spark_entities.udfs.checkpoint import HEADS, find_folder
from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.errors import ConfigError, ModelLoadError
from spark_entities.udfs.model import (
    read_network,
    read_tokenizer,
    torch_device,
    wrap_network,
)
from spark_entities.udfs.options import ClassifyOptions, ModelOptions
from spark_entities.udfs.positions import untried
from spark_entities.udfs.precision import resolve_dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainee:
    """A network in training, and the engine around it."""

    name: str  # folder or Hub id of the base
    folder: Path  # of the base
    network: PreTrainedModel
    classifier: TokenClassifier
    dtype: torch.dtype  # what matrices are multiplied in

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.classifier.model.device

    def autocast(self) -> torch.autocast:
        """Multiply matrices in the precision chosen; weights stay float32."""
        enabled = self.dtype != torch.float32
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=enabled)


def load_trainee(base: ModelOptions, recipe: Recipe, device: str | None = None) -> Trainee:
    """Load a base model; a head that does not fit the labels starts anew, by the seed.

    Raises:
        ModelLoadError: if the base is missing, or has no fast tokenizer.
        ConfigError: if the model cannot be told its positions, and the recipe shifts them.

    """
    folder, pinned = find_folder(base)
    target = torch_device(device)
    network = _load_base(folder, recipe, target)
    _check_positions(network, recipe)
    network.to(target)  # type: ignore[arg-type]  # transformers wraps it
    if target.type == "cpu":
        keep_half_precision(network)
    scheme = LabelScheme.from_id2label(dict(enumerate(recipe.labels)))
    model = wrap_network(network, folder, scheme, target)
    stride = min(recipe.training.stride, model.capacity - 1)
    name = base.name if pinned.revision is None else f"{base.name}@{pinned.revision}"
    return Trainee(
        name=name,
        folder=folder,
        network=network,
        classifier=TokenClassifier(model=model, options=ClassifyOptions(stride=stride)),
        dtype=resolve_dtype(recipe.training.precision, target),
    )


def _load_base(folder: Path, recipe: Recipe, device: torch.device) -> PreTrainedModel:
    torch.manual_seed(recipe.training.seed)  # a new head begins at random
    settings: dict[str, Any] = {}
    if recipe.training.dropout is not None:
        names = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")
        settings = dict.fromkeys(names, recipe.training.dropout)
    if device.type == "cpu":
        # Backwards, torch's fused attention takes half as long again on a CPU in bfloat16.
        settings["attn_implementation"] = "eager"
    labels = recipe.labels
    try:
        network, _, _ = read_network(
            folder,
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
            dtype=torch.float32,
            **settings,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelLoadError(
            f"--base: {folder} does not load as a token classifier ({type(error).__name__}). Give "
            f"a folder with config.json and safetensors, or a Hub id."
        ) from error
    return network


def _check_positions(network: PreTrainedModel, recipe: Recipe) -> None:
    share, family = recipe.training.shifted_positions, network.config.model_type
    if share and untried(family) is not None:
        raise ConfigError(
            f"training.shifted_positions={share}: models of type {family} were not tried with "
            f"positions that they are given. Leave it out."
        )


def keep_half_precision(network: PreTrainedModel) -> None:
    """Under autocast, have a network's layers hand on what they computed, in half precision.

    Embeddings are looked up in float32, and what is added to them stays so, mask of the attention
    and all: each layer then rounds it anew. Families that were not tried stay as they are.
    """

    def rounded(_: torch.nn.Module, __: Any, embedded: torch.Tensor) -> torch.Tensor:
        device = embedded.device.type
        if not torch.is_autocast_enabled(device):
            return embedded
        return embedded.to(torch.get_autocast_dtype(device))

    if untried(network.config.model_type) is None:
        embeddings = getattr(network.base_model, "embeddings", network.get_input_embeddings())
        embeddings.register_forward_hook(rounded)


def is_head(name: str) -> bool:
    """Tell whether a weight belongs to the classification head."""
    return name.startswith(HEADS)


def save_half(trainee: Trainee, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Write weights as a float16 checkpoint with the base's tokenizer."""
    factory: Any = AutoModelForTokenClassification
    half = factory.from_config(trainee.network.config).half()
    half.load_state_dict(weights)
    half.save_pretrained(folder)
    read_tokenizer(trainee.folder).save_pretrained(folder)
