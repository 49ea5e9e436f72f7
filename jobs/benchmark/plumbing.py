"""All of the engine but the model: hops, timed with a network that costs nothing.

Must not import: pyspark.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import torch

from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.options import ModelOptions
from spark_entities.udfs.worker import gather


class FreeNetwork(torch.nn.Module):
    """A network that costs next to nothing: one token of so many opens an entity."""

    def __init__(self, num_labels: int, tokens_per_entity: int) -> None:
        super().__init__()
        self.num_labels = num_labels
        self.tokens_per_entity = tokens_per_entity

    def forward(self, input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
        """Return float32, (rows, width, num_labels)."""
        logits = torch.zeros(*input_ids.shape, self.num_labels, device=input_ids.device)
        logits[..., 0] = 1.0
        logits[:, :: self.tokens_per_entity, 1] = 2.0
        return SimpleNamespace(logits=logits)


def free_classifier(
    options: ModelOptions, tokens_per_entity: int = 10, device: str = "cpu"
) -> TokenClassifier:
    """Return the engine with a real tokenizer and a network that costs nothing."""
    loaded = TokenClassifier.load(options, device=device)
    network = FreeNetwork(len(loaded.model.scheme.labels), tokens_per_entity)
    return replace(loaded, model=replace(loaded.model, network=network))


def profile_plumbing(
    classifier: TokenClassifier, documents: Sequence[str], more: Sequence[str]
) -> tuple[dict[str, float], int]:
    """Time the hops one by one on some documents, then all together, as in a worker, on more.

    Returns seconds by hop, and the tokens of the first documents.
    """
    buffers = list(gather([documents], classifier.buffer_chars))
    arrow = pa.array(more)
    times = [time.monotonic()]
    encoded = [*map(classifier.encode, buffers)]
    times.append(time.monotonic())
    predicted = [*map(classifier.forward, encoded)]
    times.append(time.monotonic())
    _ = [*map(classifier.decode, encoded, predicted)]
    times.append(time.monotonic())
    texts = gather([arrow.to_pylist()], classifier.buffer_chars)
    _ = [*classifier.classify_buffers(texts)]
    times.append(time.monotonic())
    hops = (
        "encode: tokenise, find words, cut windows",
        "forward: lay out batches, keep labels",
        "decode: join entities, build rows",
        "all, from Arrow to Arrow",
    )
    seconds = dict(zip(hops, np.diff(times).tolist(), strict=True))
    return seconds, sum(len(encoding.tokens.ids) for encoding in encoded)
