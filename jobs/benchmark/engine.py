"""The engine in this process, without Spark: its limit, its budgets, its precisions, its plumbing.

Must not import: pyspark.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import torch

from udfs.classifier import TokenClassifier
from udfs.model import LoadedModel
from udfs.options import ClassifyOptions, ModelOptions, Precision
from udfs.worker import gather

_LIMIT_SECONDS = 5.0
_LIMIT_WINDOWS = 2  # of 512 tokens: a batch of the CPU's budget


@torch.inference_mode()
def forward_limit(model: LoadedModel) -> float:
    """Return the tokens/s of the bare model on full windows without padding."""
    shape = (_LIMIT_WINDOWS, model.max_positions)
    ids = torch.randint(5, len(model.text_ids), shape, device=model.device)
    model.network(input_ids=ids)
    started, batches = time.monotonic(), 0
    while time.monotonic() - started < _LIMIT_SECONDS:
        model.network(input_ids=ids)
        batches += 1
    return batches * ids.numel() / (time.monotonic() - started)


def interleave(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Run each in turn, once to warm up and then `repeats` times; return the median seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            started = time.monotonic()
            run()
            if repeat:
                seconds[name].append(time.monotonic() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def sweep(
    model: LoadedModel, documents: Sequence[str], budgets: Sequence[int], repeats: int
) -> list[tuple[int, float, float]]:
    """Classify with each budget of padded tokens; return budget, tokens/s and padding share."""
    classifiers = {
        str(budget): TokenClassifier(model=model, options=ClassifyOptions(max_padded_tokens=budget))
        for budget in budgets
    }
    cost = {name: _cost(each, documents) for name, each in classifiers.items()}
    seconds = interleave(
        {name: partial(each.classify, documents) for name, each in classifiers.items()},
        repeats,
    )
    return [
        (int(name), tokens / seconds[name], 1 - tokens / padded)
        for name, (tokens, padded) in cost.items()
    ]


def _cost(classifier: TokenClassifier, documents: Sequence[str]) -> tuple[int, int]:
    parts = list(classifier.classify_buffers([documents]))
    return sum(p.num_model_tokens for p in parts), sum(p.num_padded_tokens for p in parts)


def compare_precisions(
    model: str, precisions: Sequence[Precision], documents: Sequence[str], repeats: int
) -> list[tuple[str, float, float]]:
    """Return, of each precision, its speed and its entities' agreement (F1) with the first."""
    classifiers = {
        precision: TokenClassifier.load(ModelOptions(name=model, precision=precision), device="cpu")
        for precision in precisions
    }
    found = {name: _entities(each.classify(documents)) for name, each in classifiers.items()}
    seconds = interleave(
        {name: partial(each.classify, documents) for name, each in classifiers.items()},
        repeats,
    )
    first = precisions[0]
    return [
        (name, seconds[first] / seconds[name], _agreement(found[first], found[name]))
        for name in precisions
    ]


def _entities(rows: pa.StructArray) -> set[tuple[int, str, int, int]]:
    return {
        (row, entity["entity_group"], entity["start"], entity["end"])
        for row, entities in enumerate(rows.field("entities").to_pylist())
        for entity in entities
    }


def _agreement(these: Set[object], those: Set[object]) -> float:
    return 2 * len(these & those) / max(1, len(these) + len(those))


class FreeNetwork(torch.nn.Module):
    """A network that costs next to nothing: one token of so many opens an entity."""

    def __init__(self, num_labels: int, tokens_per_entity: int) -> None:
        super().__init__()
        self.num_labels = num_labels
        self.tokens_per_entity = tokens_per_entity

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,  # noqa: ARG002
    ) -> SimpleNamespace:
        """Return float32, (rows, width, num_labels)."""
        logits = torch.zeros(*input_ids.shape, self.num_labels)
        logits[..., 0] = 1.0
        logits[:, :: self.tokens_per_entity, 1] = 2.0
        return SimpleNamespace(logits=logits)


def free_classifier(options: ModelOptions, tokens_per_entity: int = 10) -> TokenClassifier:
    """Return the engine with a real tokenizer and a network that costs nothing."""
    loaded = TokenClassifier.load(options, device="cpu")
    network = FreeNetwork(len(loaded.model.scheme.labels), tokens_per_entity)
    return replace(loaded, model=replace(loaded.model, network=network))


def profile_plumbing(
    classifier: TokenClassifier, documents: Sequence[str], more: Sequence[str]
) -> tuple[dict[str, float], int]:
    """Time the hops one by one on some documents, then all together, as in a worker, on more.

    Returns seconds by hop, and the tokens of the first documents.
    """
    buffers = list(gather([documents], classifier.options.buffer_chars))
    arrow = pa.array(more)
    times = [time.monotonic()]
    encoded = [*map(classifier.encode, buffers)]
    times.append(time.monotonic())
    predicted = [*map(classifier.forward, encoded)]
    times.append(time.monotonic())
    _ = [*map(classifier.decode, encoded, predicted)]
    times.append(time.monotonic())
    texts = gather([arrow.to_pylist()], classifier.options.buffer_chars)
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
