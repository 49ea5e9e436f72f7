"""Hold Spark's settings against what the job needs, before any work: each finding with its cure.

Enters: properties of a session, and the checkpoint. Leaves: findings; docs/gpu.md lists them.
Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import get_args

from pyspark.sql import SparkSession

from spark_entities.jobs.config import Allowed, SparkSection
from spark_entities.udfs.checkpoint import Checkpoint
from spark_entities.udfs.errors import ConfigError

_GPUS = "spark.executor.resource.gpu.amount"
_TASK_GPUS = "spark.task.resource.gpu.amount"
_SCRIPT = "spark.executor.resource.gpu.discoveryScript"
_STARTED = "spark.app.id"  # a platform that has started Spark has its own way to find GPUs
_VENDOR = "spark.executor.resource.gpu.vendor"
_CORES = "spark.executor.cores"
_TASK_CPUS = "spark.task.cpus"
_REUSE = "spark.python.worker.reuse"
_DAEMON = "spark.python.use.daemon"
_PYTHON_MEMORY = "spark.executor.pyspark.memory"
_OVERHEAD = "spark.executor.memoryOverhead"
_ARROW_BYTES = "spark.sql.execution.arrow.maxBytesPerBatch"
_IDLE_TIMEOUTS = {
    "spark.python.worker.idleTimeoutSeconds": "spark.python.worker.killOnIdleTimeout",
    "spark.sql.execution.pyspark.udf.idleTimeoutSeconds": (
        "spark.sql.execution.pyspark.udf.killOnIdleTimeout"
    ),
}

_MIB = 1 << 20
_LIBRARIES_BYTES = 1024 * _MIB  # torch, transformers and a buffer of documents, beside the model
_MOST_ARROW_BYTES = 256 * _MIB
_SHIFTS = {"b": 0, "k": 10, "m": 20, "g": 30, "t": 40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about a set-up that keeps the job from working well, or at all."""

    name: str
    message: str
    is_error: bool = True

    def __str__(self) -> str:
        admit = " Or name it in spark.allow." if self.name in get_args(Allowed) else ""
        return f"{self.message}{admit} [{self.name}]"


def check_settings(
    properties: Mapping[str, str], checkpoint: Checkpoint, allowed: Collection[Allowed] = ()
) -> list[Finding]:
    """Return what is worth a warning.

    Args:
        properties: of Spark.
        checkpoint: the model that workers will load.
        allowed: names of errors that are meant to be.

    Raises:
        ConfigError: with all findings that are errors, one a line.

    """
    settings = Settings(properties)
    found = chain(
        _model_loads(settings),
        _devices(settings),
        _idle_parts(settings),
        _memory(settings, checkpoint),
    )
    findings = [finding for finding in found if finding.name not in allowed]
    errors = [finding for finding in findings if finding.is_error]
    if errors:
        raise ConfigError("\n".join(map(str, errors)))
    return findings


def own_properties(section: SparkSection) -> dict[str, str]:
    """Return the properties of a session that the job would start itself."""
    master = {"spark.master": section.master} if section.master else {}
    return {**section.config, **master}


def session_properties(spark: SparkSession) -> dict[str, str]:
    """Return the properties of a session, on Spark Connect too."""
    return dict(spark.conf.getAll)


def weights_bytes(checkpoint: Checkpoint, *, on_gpu: bool) -> int:
    """Return what the weights of a model take in memory."""
    precision = checkpoint.options.precision
    halved = precision in ("bfloat16", "float16") or (precision == "auto" and on_gpu)
    return checkpoint.num_weights * (2 if halved else 4)


class Settings:
    """Spark's properties, read as numbers, sizes and switches."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._properties = properties
        self.master = properties.get("spark.master", "")
        self.gpus = self.number(_GPUS, 0)  # of an executor
        self.task_gpus = self.number(_TASK_GPUS, 0)  # less than 1 where tasks share one
        self.task_cpus = self.number(_TASK_CPUS, 1)
        self.cores = self.number(_CORES, 1)
        self.tasks_by_cores = int(self.cores // self.task_cpus)
        self.tasks_by_gpus = int(self.gpus / self.task_gpus) if self.task_gpus else 0
        self.is_local = re.fullmatch(r"local(\[.*\])?", self.master) is not None

    def __contains__(self, key: str) -> bool:
        return key in self._properties

    def number(self, key: str, default: float) -> float:
        """Read a number that is not negative."""
        value = self._properties.get(key)
        if value is None:
            return default
        if re.fullmatch(r"\d+(\.\d+)?", value) is None:
            raise ConfigError(f"{key}={value} is not a number. Set it to 0 or more.")
        return float(value)

    def size(self, key: str, default: int, unit: str) -> int:
        """Read a size in bytes; a number alone counts in the unit that Spark takes for the key."""
        value = self._properties.get(key)
        if value is None:
            return default
        match = re.fullmatch(r"(-?\d+)([bkmgt]?)(i?b)?", value.strip().lower())
        if match is None:
            raise ConfigError(f"{key}={value} is not a size. Set it to one such as 8g.")
        return int(match[1]) << _SHIFTS[match[2] or unit]

    def is_on(self, key: str, *, default: bool) -> bool:
        """Read a switch."""
        return self._properties.get(key, str(default)).lower() == "true"


def _model_loads(settings: Settings) -> Iterator[Finding]:
    """Find what loads the model more than once on a GPU; `spark.allow` may name these."""
    if 0 < settings.task_gpus < 1:
        yield Finding(
            name="tasks-share-gpu",
            message=f"{_TASK_GPUS}={settings.task_gpus:g}: {1 / settings.task_gpus:.0f} tasks "
            f"share a GPU, and the worker of each loads the model. Set it to 1.",
        )
    if settings.gpus > 1:
        yield Finding(
            name="several-gpus-per-executor",
            message=f"{_GPUS}={settings.gpus:g}: Spark hands a worker one GPU and then another, "
            f"and it loads the model on each. Set it to 1, and have more executors.",
        )
    if not settings.is_on(_REUSE, default=True):
        yield Finding(
            name="no-worker-reuse",
            message=f"{_REUSE}=false: each task starts a worker, which loads the model. Set it to "
            f"true.",
        )
    if not settings.is_on(_DAEMON, default=True):
        yield Finding(
            name="no-python-daemon",
            message=f"{_DAEMON}=false: Spark keeps no worker, so that each task loads the model. "
            f"Set it to true.",
        )
    for key, kills in _IDLE_TIMEOUTS.items():
        seconds = settings.number(key, 0)
        if seconds and settings.is_on(kills, default=False):
            yield Finding(
                name="idle-timeout-kills",
                message=f"{key}={seconds:g} with {kills}=true ends a worker that computes longer "
                f"on one buffer, and the next one loads the model again. Set {key} to 0.",
            )


def _devices(settings: Settings) -> Iterator[Finding]:
    """Find what keeps tasks from their GPU."""
    if settings.is_local and (settings.gpus or settings.task_gpus):
        yield Finding(
            name="gpus-in-local-mode",
            is_error=False,
            message=f"{_GPUS} and {_TASK_GPUS} mean nothing to spark.master={settings.master}: "
            f"every task takes the first GPU that is visible. Run one task at a time, or start a "
            f"standalone master.",
        )
        return
    if settings.gpus and not settings.task_gpus:
        yield Finding(
            name="gpu-not-assigned",
            message=f"{_GPUS}={settings.gpus:g} without {_TASK_GPUS}: no task is told which GPU is "
            f"its own. Set {_TASK_GPUS} to 1.",
        )
    if settings.task_gpus and not settings.gpus and _STARTED not in settings:
        yield Finding(
            name="gpu-without-executor",
            message=f"{_TASK_GPUS}={settings.task_gpus:g} without {_GPUS}: Spark does not start "
            f"so. Set {_GPUS} to 1.",
        )
    if settings.gpus and _SCRIPT not in settings and settings.master.startswith(("yarn", "k8s")):
        yield Finding(
            name="no-discovery-script",
            message=f"{_GPUS}={settings.gpus:g} without {_SCRIPT}: executors do not find their "
            f"GPUs. Set it to conf/gpu-discovery.sh, as executors see it.",
        )
    if settings.gpus and _VENDOR not in settings and settings.master.startswith("k8s"):
        yield Finding(
            name="no-gpu-vendor",
            message=f"{_GPUS}={settings.gpus:g} without {_VENDOR}: Kubernetes does not know which "
            f"resource that is. Set it to nvidia.com.",
        )


def _idle_parts(settings: Settings) -> Iterator[Finding]:
    """Find what keeps GPUs or cores from having work."""
    if settings.is_local:
        return
    if settings.task_gpus > 1:
        yield Finding(
            name="task-takes-several-gpus",
            is_error=False,
            message=f"{_TASK_GPUS}={settings.task_gpus:g}: a task computes on one GPU, and the "
            f"others idle. Set it to 1.",
        )
    if not settings.tasks_by_gpus or _CORES not in settings:
        return
    cpus = f"{_CORES}={settings.cores:g} with {_TASK_CPUS}={settings.task_cpus:g}"
    if settings.tasks_by_cores > settings.tasks_by_gpus:
        yield Finding(
            name="idle-cores",
            is_error=False,
            message=f"{cpus}: the GPUs admit {settings.tasks_by_gpus} task(s) at once, and the "
            f"other cores idle. Set {_TASK_CPUS} to {settings.cores // settings.tasks_by_gpus:g}.",
        )
    if settings.tasks_by_cores < settings.tasks_by_gpus:
        yield Finding(
            name="idle-gpus",
            is_error=False,
            message=f"{cpus}: the cores admit {settings.tasks_by_cores} task(s) at once, and the "
            f"other GPUs idle. Set {_TASK_CPUS} to {settings.cores // settings.tasks_by_gpus:g}.",
        )


def _memory(settings: Settings, checkpoint: Checkpoint) -> Iterator[Finding]:
    """Find what leaves a worker without memory."""
    workers = max(1, settings.tasks_by_gpus or settings.tasks_by_cores)
    model_bytes = weights_bytes(checkpoint, on_gpu=bool(settings.gpus))
    needed = workers * (model_bytes + _LIBRARIES_BYTES)
    need = f"{workers} Python worker(s) with the model need about {needed // _MIB} MiB"
    python_memory = settings.size(_PYTHON_MEMORY, 0, "m")
    if python_memory and settings.gpus:
        yield Finding(
            name="address-space-limit",
            message=f"{_PYTHON_MEMORY} limits a worker's address space, of which CUDA reserves far "
            f"more than it uses. Remove it; {_OVERHEAD} bounds the memory itself.",
        )
    elif 0 < python_memory < needed:
        yield Finding(
            name="little-python-memory",
            is_error=False,
            message=f"{_PYTHON_MEMORY} is {python_memory // _MIB} MiB; {need}. Raise it, or remove "
            f"it.",
        )
    if settings.master.startswith(("yarn", "k8s")) and not python_memory:
        heap = settings.size("spark.executor.memory", 1024 * _MIB, "m")
        share = 0.4 if settings.master.startswith("k8s") else 0.1
        share = settings.number("spark.executor.memoryOverheadFactor", share)
        overhead = settings.size(_OVERHEAD, max(384 * _MIB, int(share * heap)), "m")
        if overhead < needed:
            yield Finding(
                name="little-memory-overhead",
                is_error=False,
                message=f"{_OVERHEAD} is {overhead // _MIB} MiB; {need}, or the cluster manager "
                f"ends the executor. Set it to {needed // _MIB}m.",
            )
    arrow_bytes = settings.size(_ARROW_BYTES, 64 * _MIB, "b")
    if not 0 < arrow_bytes <= _MOST_ARROW_BYTES:
        yield Finding(
            name="large-arrow-batches",
            is_error=False,
            message=f"{_ARROW_BYTES}={arrow_bytes}: a worker holds several such batches at once. "
            f"Set it to {64 * _MIB} (64 MiB).",
        )
