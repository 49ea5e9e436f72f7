"""What lives in a Python worker: the models it has loaded, the device Spark gave it.

Enters: batches of texts of one partition. Leaves: batches of result rows with their metrics.
Must not import torch or pyspark when it is itself imported: a driver plans with it, and a machine
without Spark may use it.

The cache is module state on purpose. `udfs` is importable on executors, so a worker that Spark
reuses keeps its models from task to task; a cache in `__main__`, a notebook cell or a closure is
empty again at every task.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa

from udfs.options import AggregationStrategy, ClassifyOptions, ModelOptions
from udfs.results import result_type

if TYPE_CHECKING:
    from udfs.model import LoadedModel

log = logging.getLogger("spark_entities.worker")

METRICS_TYPE = pa.struct(
    [
        ("num_model_tokens", pa.int64()),
        ("num_padded_tokens", pa.int64()),
        ("num_model_loads", pa.int32()),
        ("load_seconds", pa.float64()),
        ("forward_seconds", pa.float64()),
    ]
)

_models: dict[tuple[ModelOptions, str | None], LoadedModel] = {}
_lock = threading.Lock()


@dataclass(slots=True)
class _Loads:
    """Model loads not yet reported in a result row."""

    count: int = 0
    seconds: float = 0.0


def metered_type(strategy: AggregationStrategy) -> pa.StructType:
    """Return the type of the UDF's rows: the engine's, with the metrics of the buffer they open."""
    return pa.struct([*result_type(strategy), ("metrics", METRICS_TYPE)])


def classify_batches(
    batches: Iterable[Sequence[str | None]],
    model_options: ModelOptions,
    classify_options: ClassifyOptions,
) -> Iterator[pa.StructArray]:
    """Classify the texts of a partition, in order, with the model of this worker.

    Batches are gathered into buffers of `classify.buffer_chars`, so that windows of similar length
    find each other; yields one array a buffer, of `metered_type`. Nothing is loaded for a
    partition without rows.
    """
    buffers = gather(batches, classify_options.buffer_chars)
    first = next(buffers, None)
    if first is None:
        return
    loads = _Loads()
    model = cached_model(model_options, assigned_device(), loads)
    from udfs.classifier import TokenClassifier

    classifier = TokenClassifier(model=model, options=classify_options)
    for classified in classifier.classify_buffers(chain([first], buffers)):
        metrics = {
            "num_model_tokens": classified.num_model_tokens,
            "num_padded_tokens": classified.num_padded_tokens,
            "num_model_loads": loads.count,
            "load_seconds": loads.seconds,
            "forward_seconds": classified.forward_seconds,
        }
        loads = _Loads()
        return_memory()
        yield _with_metrics(classified.rows, metrics, classify_options.aggregation_strategy)


def gather(
    batches: Iterable[Sequence[str | None]], buffer_chars: int
) -> Iterator[list[str | None]]:
    """Regroup batches into buffers of `buffer_chars` characters, each row counting one more.

    A batch of Arrow's may be many buffers, or a part of one. Every row comes once, in order.

    >>> list(gather([["ab", None], ["c"], [], ["defg", "h"]], 5))
    [['ab', None, 'c'], ['defg'], ['h']]
    """
    buffer: list[str | None] = []
    size = 0
    for text in chain.from_iterable(batches):
        buffer.append(text)
        size += 1 + len(text or "")
        if size >= buffer_chars:
            yield buffer
            buffer, size = [], 0
    if buffer:
        yield buffer


def cached_model(options: ModelOptions, device: str | None, loads: _Loads) -> LoadedModel:
    """Return this worker's model for a device, loading it the first time it is asked for.

    The first time counts the import of torch and transformers too, as it is part of the wait.

    The key has the device: with several GPUs an executor, Spark hands one worker another GPU at
    each task.
    """
    with _lock:
        key = options, device
        if key not in _models:
            started = time.monotonic()
            _limit_threads()
            from udfs.model import load_model

            _models[key] = load_model(options, device)
            loads.count += 1
            loads.seconds += time.monotonic() - started
            log.info("Loaded %s on %s in %.1f s.", options.name, device or "cpu", loads.seconds)
        return _models[key]


def return_memory() -> None:
    """Give freed memory back to the system: batches of ever new shapes scatter glibc's heap."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:  # it is glibc's
            trim(0)


def assigned_device() -> str | None:
    """Return the GPU that Spark assigned to this task, or nothing where it assigned none.

    Where CUDA_VISIBLE_DEVICES hides the others, an assigned address is counted among the visible.
    """
    try:
        from pyspark import TaskContext
    except ImportError:
        return None
    context = TaskContext.get()
    gpu = context.resources().get("gpu") if context else None
    if gpu is None:
        return None
    address = gpu.addresses[0]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible:
        devices = visible.split(",")
        address = str(devices.index(address)) if address in devices else "0"
    return f"cuda:{address}"


def _limit_threads() -> None:
    """Take as many threads as Spark gave the task cores, so that tasks of a host do not fight."""
    try:
        from pyspark import TaskContext
    except ImportError:
        return
    context = TaskContext.get()
    if context is None:
        return
    import torch

    torch.set_num_threads(context.cpus())
    os.environ.setdefault("RAYON_NUM_THREADS", str(context.cpus()))  # the tokenizer's threads


def _with_metrics(
    rows: pa.StructArray, metrics: dict[str, float], strategy: AggregationStrategy
) -> pa.StructArray:
    column = pa.array([metrics, *[None] * (len(rows) - 1)], METRICS_TYPE)
    return pa.StructArray.from_arrays(
        [*rows.flatten(), column], fields=list(metered_type(strategy))
    )
