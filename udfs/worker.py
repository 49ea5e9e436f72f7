"""What lives in a Python worker: the models it has loaded.

Enters: batches of texts of one partition. Leaves: batches of result rows with their metrics.
Must not import torch or pyspark when it is itself imported: a driver plans with it, and a machine
without Spark may use it.

The cache is module state on purpose. This module is importable on executors, so a worker that Spark
reuses keeps its models from task to task; a cache in `__main__`, a notebook cell or a closure is
empty again at every task.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from spark_entities.udfs.core.records import Cost
from spark_entities.udfs.core.results import count_scores, result_type
from spark_entities.udfs.device import Device
from spark_entities.udfs.memory import return_memory
from spark_entities.udfs.options import ClassifyOptions, ModelOptions, RedactOptions
from spark_entities.udfs.task import executor_folder, limit_threads, settle_in, task_device

if TYPE_CHECKING:
    from spark_entities.udfs.model import LoadedModel

log = logging.getLogger("spark_entities.worker")

METRICS_TYPE = pa.struct(
    [
        ("num_model_tokens", pa.int64()),
        ("num_padded_tokens", pa.int64()),
        ("num_model_loads", pa.int32()),
        ("load_seconds", pa.float64()),
        ("forward_seconds", pa.float64()),
        ("device", pa.string()),
        ("precision", pa.string()),
        ("scores", pa.list_(pa.int64())),
    ]
)

_models: dict[tuple[ModelOptions, str], LoadedModel] = {}
_lock = threading.Lock()


def metered_type(options: ClassifyOptions, redact: RedactOptions | None = None) -> pa.StructType:
    """Return the type of the UDF's rows: the engine's, with the metrics of the buffer they open."""
    return pa.struct([*result_type(options, redact), ("metrics", METRICS_TYPE)])


def classify_batches(
    batches: Iterable[Sequence[str | None]],
    model_options: ModelOptions,
    classify_options: ClassifyOptions,
    redact: RedactOptions | None = None,
    texts_per_row: int = 1,
) -> Iterator[pa.StructArray]:
    """Classify the texts of a partition, in order, with the model of this worker.

    Batches are gathered into buffers of `classify.buffer_chars`, so that windows of similar length
    find each other; yields one array a buffer, of `metered_type`. Nothing is loaded for a
    partition without rows.

    Args:
        batches: of texts; where a row has several, they stand one after another.
        model_options: which model.
        classify_options: how to classify.
        redact: which mentions to take out of the texts.
        texts_per_row: how many texts stay together in one buffer.

    """
    filled = (batch for batch in batches if len(batch))
    first = next(filled, None)
    if first is None:
        return
    settle_in()
    model, device, loading = task_model(model_options)
    from spark_entities.udfs.classifier import TokenClassifier

    classifier = TokenClassifier(model=model, options=classify_options, redact=redact)
    sizes = classifier.buffer_chars, classifier.first_buffer_chars
    buffers = gather(chain([first], filled), *sizes, texts_per_row)
    for classified in classifier.classify_buffers(buffers):
        metrics = asdict(classified.cost + loading) | {
            "device": device.name,
            "precision": model.precision,
            "scores": count_scores(classified.rows),
        }
        loading = Cost()  # it is reported once
        return_memory()
        column = pa.array([metrics, *[None] * (len(classified.rows) - 1)], METRICS_TYPE)
        yield pa.StructArray.from_arrays(
            [*classified.rows.flatten(), column],
            fields=list(metered_type(classify_options, redact)),
        )


def gather(
    batches: Iterable[Sequence[str | None]],
    buffer_chars: int,
    first_chars: int | None = None,
    texts_per_row: int = 1,
) -> Iterator[list[str | None]]:
    """Regroup batches into buffers of `buffer_chars` characters, each text counting one more.

    A batch of Arrow's may be many buffers, or a part of one. Every text comes once, in order. With
    `first_chars`, the first buffer has so many, and each after it twice as many as the one before.
    No buffer ends between the texts of a row.

    >>> list(gather([["ab", None], ["c"], [], ["defg", "h"]], 5))
    [['ab', None, 'c'], ['defg'], ['h']]
    >>> [len(buffer) for buffer in gather([["a"] * 20], 16, first_chars=4)]
    [2, 4, 8, 6]
    >>> list(gather([["abc", "d", "e", "f"]], 3, texts_per_row=2))
    [['abc', 'd'], ['e', 'f']]
    """
    buffer: list[str | None] = []
    most = first_chars or buffer_chars
    size = 0
    for text in chain.from_iterable(batches):
        buffer.append(text)
        size += 1 + len(text or "")
        if size >= most and len(buffer) % texts_per_row == 0:
            yield buffer
            buffer, size, most = [], 0, min(2 * most, buffer_chars)
    if buffer:
        yield buffer


def task_model(options: ModelOptions) -> tuple[LoadedModel, Device, Cost]:
    """Return the model on the device of this task, and what it cost to load it now, if it did.

    The first time counts the import of torch and transformers too, as it is part of the wait.

    The key has the device: with several GPUs an executor, Spark hands one worker another GPU at
    each task.
    """
    with _lock:
        started = time.monotonic()
        device = task_device()
        limit_threads()
        key = options, device.name
        if key in _models:
            return _models[key], device, Cost()
        from spark_entities.udfs.model import load_model

        nearest = _nearest(options)
        _models[key] = load_model(nearest, device.name, executor_folder())
        gc.freeze()  # else the garbage collection that follows each task takes 0.2 s
        seconds = time.monotonic() - started
        log.info("Loaded %s on %s in %.1f s.", nearest.name, device.name, seconds)
        return _models[key], device, Cost(num_model_loads=1, load_seconds=seconds)


def _nearest(options: ModelOptions) -> ModelOptions:
    """Take the model that Spark has shipped to this executor (`spark.archives`), if there is one.

    It has the last name of the folder in which the driver has found the model.
    """
    executor, name = executor_folder(), Path(options.name)
    if executor is None or not name.is_absolute() or not (executor / name.name).is_dir():
        return options
    return replace(options, name=str((executor / name.name).absolute()))
