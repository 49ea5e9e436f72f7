"""Which device a task computes on, and why.

Enters: what Spark assigned and what CUDA_VISIBLE_DEVICES shows. Leaves: a `Device`.
Must not import: pyspark, transformers; torch when GPUs are counted, and no sooner.

Spark counts GPUs as its discovery script does, from 0 on each host; torch counts those that
CUDA_VISIBLE_DEVICES shows to the process, in its order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spark_entities.udfs.errors import DeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device as torch names it, and the reason why it was chosen."""

    name: str
    reason: str


def count_gpus() -> int:
    """Count the GPUs that torch can use in this process."""
    import torch

    return torch.cuda.device_count()


def choose_device(
    assigned: Sequence[str] = (),
    visible: str | None = None,
    count: Callable[[], int] = count_gpus,
) -> Device:
    """Choose the GPU that Spark assigned, else the first that is visible, else the CPU.

    Args:
        assigned: addresses of GPUs that Spark gave the task; the task computes on the first.
        visible: CUDA_VISIBLE_DEVICES, nothing where it is not set.
        count: counts the GPUs that torch can use.

    Raises:
        DeviceError: if the GPU that was assigned cannot be used; no other is taken in its place.

    >>> choose_device(["3"], "2,3", lambda: 2)
    Device(name='cuda:1', reason='Spark assigned GPU 3, number 1 of CUDA_VISIBLE_DEVICES=2,3')
    """
    if assigned:
        return _assigned_device(assigned[0], visible, count())
    gpus = count()
    shown = "" if visible is None else f" in CUDA_VISIBLE_DEVICES={visible}"
    if gpus == 0:
        return Device(name="cpu", reason=f"no GPU is assigned by Spark or visible to torch{shown}")
    if gpus == 1:
        return Device(name="cuda:0", reason=f"it is the only GPU{shown}")
    return Device(
        name="cuda:0",
        reason=f"it is the first of {gpus} GPUs{shown}, and Spark assigned none; the others are "
        f"not used (see spark.task.resource.gpu.amount)",
    )


def visible_devices() -> str | None:
    """Return CUDA_VISIBLE_DEVICES, by which a cluster manager hides the GPUs of others."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def _assigned_device(address: str, visible: str | None, gpus: int) -> Device:
    shown = None if visible is None else [name.strip() for name in visible.split(",")]
    if shown is None and address.isdecimal():
        index, place = int(address), ""
    elif shown is not None and address in shown:
        index = shown.index(address)
        place = f", number {index} of CUDA_VISIBLE_DEVICES={visible}"
    elif shown is not None and len(shown) == 1:
        index, place = 0, f", the only one in CUDA_VISIBLE_DEVICES={visible}"
    else:
        fault = "no number" if visible is None else f"not in CUDA_VISIBLE_DEVICES={visible}"
        raise DeviceError(
            f"Spark assigned GPU {address!r}, which is {fault}. Let the discovery script print the "
            f"numbers of the GPUs that the process sees."
        )
    if index >= gpus:
        raise DeviceError(
            f"Spark assigned GPU {address!r}{place}, but torch sees {gpus} GPUs. Check the driver, "
            f"that torch is built for CUDA, and CUDA_VISIBLE_DEVICES."
        )
    return Device(name=f"cuda:{index}", reason=f"Spark assigned GPU {address}{place}")
