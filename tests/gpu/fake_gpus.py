"""A Python daemon of Spark whose workers take the CPU for any GPU: `spark.python.daemon.module`.

There is no GPU where these tests run. Spark's scheduling, the addresses it hands to tasks, the
worker and its cache are real; only the last step is not: torch's device of a name is the CPU here.

Where the file that BREAK names is, the next forward removes it, and fails in the way it tells.
"""

import ctypes
import dataclasses
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pyspark import daemon

from spark_entities.udfs import model, task

BREAK = "SPARK_ENTITIES_BREAK"  # environment variable
load_model = model.load_model


def fail_as_a_gpu() -> None:
    """Raise what torch raises when a kernel has gone astray."""
    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def kill_executor() -> None:
    """End the JVM that started the daemon that started this worker."""
    daemon_status = Path(f"/proc/{os.getppid()}/status").read_text("ascii")
    os.kill(int(daemon_status.split("PPid:")[1].split()[0]), signal.SIGKILL)


WAYS: dict[str, Callable[[], object]] = {
    "GPU failure": fail_as_a_gpu,
    "SIGKILL of the worker": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segmentation fault": lambda: ctypes.string_at(0),
    "SIGKILL of the executor": kill_executor,
    "hang": lambda: threading.Event().wait(),
}


class Breakable(torch.nn.Module):
    """A network that fails once, when told to."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, **inputs: Any) -> Any:
        path = Path(os.environ[BREAK])
        try:
            way = path.read_text("utf-8")
            path.unlink()
        except FileNotFoundError:
            return self.network(**inputs)
        WAYS[way]()
        return self.network(**inputs)


def load_breakable(*arguments: Any) -> model.LoadedModel:
    """Load as the worker does, and make it breakable."""
    loaded = load_model(*arguments)
    return dataclasses.replace(loaded, network=Breakable(loaded.network))


if __name__ == "__main__":
    model.torch_device = lambda name: torch.device("cpu")
    model.load_model = load_breakable
    task.count_gpus = lambda: 16
    daemon.manager()
