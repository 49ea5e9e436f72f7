"""The task that runs now, as Spark tells a Python worker of it: its device, its cores, its folder.

Leaves: the `Device` to compute on, and nothing where there is no Spark.
Must not import torch or pyspark when it is itself imported: a driver plans with it, and a machine
without Spark may use it.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from spark_entities.udfs.device import Device, choose_device, count_gpus, visible_devices
from spark_entities.udfs.errors import DeviceError

if TYPE_CHECKING:
    from pyspark import TaskContext

log = logging.getLogger("spark_entities.task")
_package_log = logging.getLogger("spark_entities")

DEVICE_TYPE = pa.struct(
    [
        ("host", pa.string()),
        ("device", pa.string()),
        ("detail", pa.string()),
        ("memory_bytes", pa.int64()),
    ]
)


def task_context() -> TaskContext | None:
    """Return Spark's context of the task that runs now; nothing where there is no Spark."""
    try:
        from pyspark import TaskContext
    except ImportError:
        return None
    return TaskContext.get()


def executor_folder() -> Path | None:
    """Return the folder that Spark gives an executor, and removes with it; none without Spark."""
    if task_context() is None:
        return None
    from pyspark import SparkFiles

    return Path(SparkFiles.getRootDirectory())


def task_device() -> Device:
    """Choose the device of the task that runs now.

    Raises:
        DeviceError: if the GPU that Spark assigned cannot be used.

    """
    context = task_context()
    gpus = context.resources().get("gpu") if context else None
    device = choose_device(gpus.addresses if gpus else (), visible_devices(), count_gpus)
    _announce(device)
    return device


@functools.cache
def _announce(device: Device) -> None:
    """Log a choice once a worker."""
    log.info("Computing on %s: %s.", device.name, device.reason)


def describe_device() -> dict[str, str | int | None]:
    """Tell on which host and device this task would compute, or why it could not: a `DEVICE_TYPE`.

    `memory_bytes` is the GPU's; there is none for a CPU.
    """
    host = socket.gethostname()
    try:
        device = task_device()
    except DeviceError as error:
        return {"host": host, "device": None, "detail": str(error), "memory_bytes": None}
    import torch

    from spark_entities.udfs.model import torch_device

    target = torch_device(device.name)
    memory = None
    if target.type == "cuda":
        memory = torch.cuda.get_device_properties(target).total_memory
    return {"host": host, "device": device.name, "detail": device.reason, "memory_bytes": memory}


def settle_in() -> None:
    """Work without a network in a worker of Spark, and print our log to the executor's.

    The driver has found and pinned the model; `spark.executorEnv.HF_HUB_OFFLINE=0` lets a worker
    fetch just that. A worker of Spark sets up no logging.
    """
    if task_context() is None:
        return
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if not _package_log.hasHandlers():
        _package_log.addHandler(logging.StreamHandler())
        _package_log.setLevel(logging.INFO)


def limit_threads() -> None:
    """Take as many threads as Spark gave the task cores, so that tasks of a host do not fight."""
    context = task_context()
    if context is None:
        return
    import torch

    torch.set_num_threads(context.cpus())
    os.environ.setdefault("RAYON_NUM_THREADS", str(context.cpus()))  # the tokenizer's threads
