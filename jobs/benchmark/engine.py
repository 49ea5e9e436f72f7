"""The engine in this process, without Spark: its limit, its budgets, its precisions, its plumbing.

Must not import: pyspark.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from spark_entities.jobs.benchmark.pipelines import count_tokens
from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.core.arrays import Ints
from spark_entities.udfs.core.records import Cost
from spark_entities.udfs.model import LoadedModel
from spark_entities.udfs.options import ClassifyOptions, ModelOptions, Precision
from spark_entities.udfs.worker import gather

_LIMIT_SECONDS = 5.0
_MATMUL_SIZE = {"cuda": 8192, "cpu": 1024}
_MATMUL_SECONDS = 2.0
_LIMIT_WINDOWS = 2  # of 512 tokens: a batch of the CPU's budget


@torch.inference_mode()
def forward_limit(model: LoadedModel) -> float:
    """Return the tokens/s of the bare model on full windows without padding."""
    shape = (_LIMIT_WINDOWS, model.max_positions)
    ids = torch.randint(5, len(model.vocabulary.text_ids), shape, device=model.device)
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
    cost = {name: classify(each, documents) for name, each in classifiers.items()}
    seconds = interleave(
        {name: partial(classify, each, documents) for name, each in classifiers.items()},
        repeats,
    )
    return [
        (
            int(name),
            each.num_model_tokens / seconds[name],
            1 - each.num_model_tokens / each.num_padded_tokens,
        )
        for name, each in cost.items()
    ]


def compare_precisions(
    model: str, precisions: Sequence[Precision], documents: Sequence[str], repeats: int
) -> list[tuple[str, float, float]]:
    """Return, of each precision, its speed and its entities' agreement (F1) with the first."""
    classifiers = {
        precision: TokenClassifier.load(ModelOptions(name=model, precision=precision), device="cpu")
        for precision in precisions
    }
    found = {
        name: mentions(each.classify(documents).field("entities").to_pylist())
        for name, each in classifiers.items()
    }
    seconds = interleave(
        {name: partial(each.classify, documents) for name, each in classifiers.items()},
        repeats,
    )
    first = precisions[0]
    return [
        (name, seconds[first] / seconds[name], agreement(found[first], found[name]))
        for name in precisions
    ]


def mentions(rows: Iterable[Iterable[dict[str, Any]]]) -> set[tuple[int, str, int, int]]:
    """Return row, group, start and end of each entity, given the entities of each row."""
    return {
        (row, entity["entity_group"], entity["start"], entity["end"])
        for row, entities in enumerate(rows)
        for entity in entities
    }


def agreement(these: Set[object], those: Set[object]) -> float:
    """Return the F1 of one set of mentions against another, 0 to 1."""
    return 2 * len(these & those) / max(1, len(these) + len(those))


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a contender is on a device, and how much of the device that takes."""

    name: str
    tokens_per_second: float
    utilisation: float  # of the device's own matmul, by the FLOP that the documents' tokens need
    idle_share: float | None  # of a GPU's time
    padding_share: float


def compare_on_device(
    classifier: TokenClassifier,
    pipeline: Any,
    documents: Sequence[str],
    batch_sizes: Sequence[int],
    repeats: int,
) -> list[Speed]:
    """Classify documents with the engine and with transformers' pipeline, run after run."""
    model = classifier.model
    peak = matmul_speed(model.device, next(model.network.parameters()).dtype)
    lengths = window_lengths(classifier, documents)
    tokens, flop = int(lengths.sum()), model_flop(model.network, lengths)
    runs: dict[str, Callable[[], object]] = {"ours": partial(classify, classifier, documents)}
    for size in batch_sizes:
        runs[f"pipeline, batch {size}"] = partial(pipeline, list(documents), batch_size=size)
    seconds = interleave(runs, repeats)
    counts: dict[str, int] = {}
    count_tokens(pipeline.model, counts)  # not before: to count is to wait for a GPU
    speeds = []
    for name, run in runs.items():
        counts.update(tokens=0, padded_tokens=0)
        result, idle = idle_share(run, model.device)
        if name == "ours":
            counts.update(tokens=result.num_model_tokens, padded_tokens=result.num_padded_tokens)
        speeds.append(
            Speed(
                name=name,
                tokens_per_second=tokens / seconds[name],
                utilisation=flop / seconds[name] / peak,
                idle_share=idle,
                padding_share=1 - counts["tokens"] / counts["padded_tokens"],
            )
        )
    return speeds


def matmul_speed(device: torch.device, dtype: torch.dtype) -> float:
    """Return the FLOP/s of a large matrix product."""
    size = _MATMUL_SIZE[device.type]
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    left @ right
    _synchronize(device)
    started, products = time.monotonic(), 0
    while time.monotonic() - started < _MATMUL_SECONDS:
        left @ right
        _synchronize(device)
        products += 1
    return products * 2 * size**3 / (time.monotonic() - started)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def window_lengths(classifier: TokenClassifier, documents: Sequence[str]) -> Ints:
    """Return the tokens of each window of some documents, special tokens counted."""
    windows = classifier.encode(documents).windows
    return windows.ends - windows.starts + classifier.model.frame.num_special_tokens


def model_flop(network: Any, lengths: Ints) -> float:
    """Count what windows cost: twice each weight a token, and the products of attention."""
    weights = sum(
        weight.numel() for name, weight in network.named_parameters() if "embeddings" not in name
    )
    config = network.config
    attention = 4 * config.num_hidden_layers * config.hidden_size * (lengths**2).sum()
    return float(2 * weights * lengths.sum() + attention)


def classify(classifier: TokenClassifier, documents: Sequence[str]) -> Cost:
    """Classify as a worker does, buffer by buffer; return what it cost."""
    buffers = gather([documents], classifier.buffer_chars, classifier.first_buffer_chars)
    return sum((each.cost for each in classifier.classify_buffers(buffers)), Cost())


def idle_share(run: Callable[[], Any], device: torch.device) -> tuple[Any, float | None]:
    """Run once; return the result, and the share of the time in which a GPU had nothing to do."""
    if device.type != "cuda":
        return run(), None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        started = time.monotonic()
        result = run()
        torch.cuda.synchronize(device)
        wall = time.monotonic() - started
    busy = sum(event.self_device_time_total for event in profiler.key_averages()) / 1e6
    return result, max(0.0, 1 - busy / wall)
