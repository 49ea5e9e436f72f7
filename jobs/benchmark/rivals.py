"""The rivals, written as their users write them, and best cases of their kind.

Each loads its model once per process, from a module that executors import. The only thing added is
a meter on the model, which counts what it is given.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import StringType

from spark_entities.jobs.benchmark.pipelines import WINDOW, count_tokens, make_pipeline

_RAY_OWN_CPUS = 2  # Ray counts its reading and adding tasks too; with fewer it waits for ever
_ENTITIES = "array<struct<entity_group:string,score:float,word:string,start:int,end:int>>"
METER_FOLDER = "SPARK_ENTITIES_METER"  # environment variable: where processes write what they count
NO_COUNTS = {"loads": 0, "tokens": 0, "padded_tokens": 0}
_counts = dict(NO_COUNTS)


def start_metering(folder: str) -> None:
    """Begin to count in this process, and in those it starts."""
    os.environ[METER_FOLDER] = folder
    _counts.update(NO_COUNTS)


def save_counts() -> None:
    """Write this process's counts where the benchmark looks for them."""
    path = Path(os.environ[METER_FOLDER]) / f"{os.getpid()}.json"
    path.write_text(json.dumps(_counts))


def count_ours(tokens: int, padded_tokens: int, loads: int) -> None:
    """Count what our rows say they cost."""
    _counts["tokens"] += tokens
    _counts["padded_tokens"] += padded_tokens
    _counts["loads"] += loads
    save_counts()


def _watch(network: Any) -> None:
    """Count the tokens that a network is given."""
    _counts["loads"] += 1
    count_tokens(network, _counts)


@functools.cache
def load_pipeline(model: str) -> Any:
    """Load transformers' pipeline once in this process."""
    import torch

    pipe = make_pipeline(model, "cpu", torch.float32)
    _watch(pipe.model)
    return pipe


def _plain(found: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Turn NumPy's scores into floats, which Arrow wants."""
    return [[{**entity, "score": float(entity["score"])} for entity in text] for text in found]


def pipeline_udf(model: str, batch_size: int) -> Callable[[str], Column]:
    """The pipeline inside an Iterator pandas UDF."""

    @pandas_udf(_ENTITIES)  # type: ignore[call-overload]
    def entities(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        pipe = load_pipeline(model)
        for texts in batches:
            yield pd.Series(_plain(pipe(texts.tolist(), batch_size=batch_size)))
        save_counts()

    return lambda text: F.size(entities(text))


def predict_batch(model: str, batch_size: int = 32) -> Callable[[str], Column]:
    """Spark's `predict_batch_udf`, which gives labels of tokens and cuts long texts."""

    def make_predict() -> Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
        import torch
        from transformers import AutoModelForTokenClassification, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(model)
        network = AutoModelForTokenClassification.from_pretrained(model, dtype=torch.float32)
        _watch(network.eval())
        names = np.array([network.config.id2label[i] for i in range(network.config.num_labels)])

        @torch.inference_mode()
        def predict(texts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            batch = tokenizer(
                texts.tolist(),
                truncation=True,
                max_length=WINDOW,
                padding=True,
                return_tensors="pt",
            )
            labels = names[network(**batch).logits.argmax(-1).numpy()]
            labels[batch["attention_mask"].numpy() == 0] = "O"
            save_counts()
            return np.array([json.dumps([tag for tag in row if tag != "O"]) for row in labels])

        return predict

    udf = predict_batch_udf(make_predict, return_type=StringType(), batch_size=batch_size)
    return lambda text: F.size(F.from_json(udf(text), "array<string>"))


def plain_loop(model: str, folder: Path, cores: int) -> int:
    """The pipeline in a loop, without Spark; returns how many entities it found."""
    import torch

    torch.set_num_threads(cores)
    pipe = load_pipeline(model)
    texts = pd.read_parquet(folder)["text"].tolist()
    entities = sum(len(found) for found in pipe(texts, batch_size=1))
    save_counts()
    return entities


@functools.cache
def _start_ray(cpus: int, meter: str) -> None:
    """Start a Ray whose actors report to a folder; there is one at a time."""
    import ray

    ray.shutdown()
    ray.init(
        num_cpus=cpus,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {METER_FOLDER: meter}},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False


def ray_data(model: str, folder: Path, slots: int, task_cpus: int) -> int:
    """The pipeline in an actor of Ray Data."""
    import ray

    class Classify:
        def __init__(self) -> None:
            import torch

            torch.set_num_threads(task_cpus)
            self.pipe = load_pipeline(model)

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            found = self.pipe(list(batch["text"]), batch_size=1)
            save_counts()
            return {"entities": np.array([len(entities) for entities in found])}

    _start_ray(slots * task_cpus + _RAY_OWN_CPUS, os.environ[METER_FOLDER])
    data = ray.data.read_parquet(str(folder))
    compute = ray.data.ActorPoolStrategy(size=slots)
    found = data.map_batches(Classify, compute=compute, num_cpus=task_cpus, batch_size=64)
    total: Any = found.sum("entities")
    return int(total)


def daft_udf(model: str, folder: Path, slots: int, task_cpus: int) -> int:
    """The pipeline in a class UDF of Daft."""
    os.environ["DAFT_RUNNER"] = "native"
    import daft

    @daft.cls(max_concurrency=slots, use_process=slots > 1)
    class Classify:
        def __init__(self) -> None:
            import torch

            torch.set_num_threads(task_cpus)
            self.pipe = load_pipeline(model)

        @daft.method.batch(return_dtype=daft.DataType.int64())
        def count(self, texts: Any) -> Any:
            found = self.pipe(texts.to_pylist(), batch_size=1)
            save_counts()
            return [len(entities) for entities in found]

    data = daft.read_parquet(f"{folder}/*.parquet")
    counts = data.select(Classify().count(daft.col("text")).alias("entities"))
    return int(counts.sum("entities").to_pydict()["entities"][0])


def installed(module: str) -> bool:
    """Tell whether an optional rival is here."""
    return importlib.util.find_spec(module) is not None
