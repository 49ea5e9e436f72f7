"""A Python daemon of Spark whose workers take the CPU for any GPU: `spark.python.daemon.module`.

There is no GPU where these tests run. Spark's scheduling, the addresses it hands to tasks, the
worker and its cache are real; only the last step is not: torch's device of a name is the CPU here.

Where the file that BREAK names is, the next forward removes it and fails as a broken GPU does.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

import torch
from pyspark import daemon

from udfs import model, worker

BREAK = "SPARK_ENTITIES_BREAK"  # environment variable
load_model = model.load_model


class Breakable(torch.nn.Module):
    """A network that fails once, when told to."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, **inputs: Any) -> Any:
        try:
            Path(os.environ[BREAK]).unlink()
        except FileNotFoundError:
            return self.network(**inputs)
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def load_breakable(*arguments: Any) -> model.LoadedModel:
    """Load as the worker does, and make it breakable."""
    loaded = load_model(*arguments)
    return dataclasses.replace(loaded, network=Breakable(loaded.network))


if __name__ == "__main__":
    model.torch_device = lambda name: torch.device("cpu")
    model.load_model = load_breakable
    worker.count_gpus = lambda: 16
    daemon.manager()
