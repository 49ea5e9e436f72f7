"""Hold Spark's settings against what the job needs, before any work: each finding with its cure.

Enters: properties of a session, and the checkpoint. Leaves: findings; docs/gpu.md lists them.
Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import get_args

from pyspark.sql import SparkSession

from spark_entities.jobs.config import Allowed, SparkSection
from spark_entities.jobs.spark.properties import CORES, GPUS, TASK_CPUS, TASK_GPUS, SparkProperties
from spark_entities.udfs.checkpoint import Checkpoint
from spark_entities.udfs.errors import ConfigError

_SCRIPT = "spark.executor.resource.gpu.discoveryScript"
_STARTED = "spark.app.id"  # a platform that has started Spark has its own way to find GPUs
_VENDOR = "spark.executor.resource.gpu.vendor"
_REUSE = "spark.python.worker.reuse"
_DAEMON = "spark.python.use.daemon"
_PYTHON_MEMORY = "spark.executor.pyspark.memory"
_OVERHEAD = "spark.executor.memoryOverhead"
_ARROW_BYTES = "spark.sql.execution.arrow.maxBytesPerBatch"
_WITH_IDLE_TIMEOUT = "spark.python.worker", "spark.sql.execution.pyspark.udf"

_MIB = 1 << 20
_LIBRARIES_BYTES = 1024 * _MIB  # torch, transformers and a buffer of documents, beside the model
_MOST_ARROW_BYTES = 256 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about a set-up that keeps the job from working well, or at all."""

    name: str
    message: str

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
    given = SparkProperties(properties)
    found = chain(_model_loads(given), _lost_gpus(given))
    errors = [finding for finding in found if finding.name not in allowed]
    warnings = [*_idle_parts(given), *_little_memory(given, checkpoint)]
    if errors:
        raise ConfigError("\n".join(map(str, errors)))
    return warnings


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


def _model_loads(given: SparkProperties) -> Iterator[Finding]:
    """Find what loads the model more than once on a GPU; `spark.allow` may name these."""
    if 0 < given.task_gpus < 1:
        yield Finding(
            name="tasks-share-gpu",
            message=f"{TASK_GPUS}={given.task_gpus:g}: {1 / given.task_gpus:.0f} tasks share a "
            f"GPU, and the worker of each loads the model. Set it to 1.",
        )
    if given.gpus > 1:
        yield Finding(
            name="several-gpus-per-executor",
            message=f"{GPUS}={given.gpus:g}: Spark hands a worker one GPU and then another, and it "
            f"loads the model on each. Set it to 1, and have more executors.",
        )
    if not given.is_on(_REUSE, default=True):
        yield Finding(
            name="no-worker-reuse",
            message=f"{_REUSE}=false: each task starts a worker, which loads the model. Set it to "
            f"true.",
        )
    if not given.is_on(_DAEMON, default=True):
        yield Finding(
            name="no-python-daemon",
            message=f"{_DAEMON}=false: Spark keeps no worker, so that each task loads the model. "
            f"Set it to true.",
        )
    for part in _WITH_IDLE_TIMEOUT:
        key, kills = f"{part}.idleTimeoutSeconds", f"{part}.killOnIdleTimeout"
        seconds = given.number(key, 0)
        if seconds and given.is_on(kills, default=False):
            yield Finding(
                name="idle-timeout-kills",
                message=f"{key}={seconds:g} with {kills}=true ends a worker that computes longer "
                f"on one buffer, and the next one loads the model again. Set {key} to 0.",
            )


def _lost_gpus(given: SparkProperties) -> Iterator[Finding]:
    """Find what keeps tasks from their GPU; that local mode assigns none is a warning."""
    without = f"{GPUS}={given.gpus:g} without"
    if given.gpus and not given.task_gpus and not given.is_local:
        yield Finding(
            name="gpu-not-assigned",
            message=f"{without} {TASK_GPUS}: no task is told which GPU is its own. Set {TASK_GPUS} "
            f"to 1.",
        )
    if given.task_gpus and not given.gpus and not given.is_local and _STARTED not in given:
        yield Finding(
            name="gpu-without-executor",
            message=f"{TASK_GPUS}={given.task_gpus:g} without {GPUS}: Spark does not start so. Set "
            f"{GPUS} to 1.",
        )
    if given.gpus and _SCRIPT not in given and given.master.startswith(("yarn", "k8s")):
        yield Finding(
            name="no-discovery-script",
            message=f"{without} {_SCRIPT}: executors do not find their GPUs. Set it to "
            f"conf/gpu-discovery.sh, as executors see it.",
        )
    if given.gpus and _VENDOR not in given and given.master.startswith("k8s"):
        yield Finding(
            name="no-gpu-vendor",
            message=f"{without} {_VENDOR}: Kubernetes does not know which resource that is. Set it "
            f"to nvidia.com.",
        )
    if given.gpus and given.size(_PYTHON_MEMORY, 0, "m"):
        yield Finding(
            name="address-space-limit",
            message=f"{_PYTHON_MEMORY} limits a worker's address space, of which CUDA reserves far "
            f"more than it uses. Remove it; {_OVERHEAD} bounds the memory itself.",
        )


def _idle_parts(given: SparkProperties) -> Iterator[Finding]:
    """Find what keeps GPUs or cores from having work."""
    if given.is_local and (given.gpus or given.task_gpus):
        yield Finding(
            name="gpus-in-local-mode",
            message=f"{GPUS} and {TASK_GPUS} mean nothing to spark.master={given.master}: every "
            f"task takes the first GPU that is visible. Run one task at a time, or start a "
            f"standalone master.",
        )
    if given.is_local:
        return
    if given.task_gpus > 1:
        yield Finding(
            name="task-takes-several-gpus",
            message=f"{TASK_GPUS}={given.task_gpus:g}: a task computes on one GPU, and the others "
            f"idle. Set it to 1.",
        )
    by_cores, by_gpus = given.tasks_by_cores, given.tasks_by_gpus
    if not by_gpus or CORES not in given:
        return
    cpus = f"{CORES}={given.cores:g} with {TASK_CPUS}={given.task_cpus:g}"
    idle = f"idle. Set {TASK_CPUS} to {given.cores // by_gpus:g}."
    if by_cores > by_gpus:
        yield Finding(
            name="idle-cores",
            message=f"{cpus}: the GPUs admit {by_gpus} task(s) at once, and the other cores {idle}",
        )
    if by_cores < by_gpus:
        yield Finding(
            name="idle-gpus",
            message=f"{cpus}: the cores admit {by_cores} task(s) at once, and the other GPUs "
            f"{idle}",
        )


def _little_memory(given: SparkProperties, checkpoint: Checkpoint) -> Iterator[Finding]:
    """Find what leaves a worker without memory."""
    workers = max(1, given.tasks_by_gpus or given.tasks_by_cores)
    model_bytes = weights_bytes(checkpoint, on_gpu=bool(given.gpus))
    needed = workers * (model_bytes + _LIBRARIES_BYTES)
    need = f"{workers} Python worker(s) with the model need about {needed // _MIB} MiB"
    python_memory = given.size(_PYTHON_MEMORY, 0, "m")
    if 0 < python_memory < needed and not given.gpus:
        yield Finding(
            name="little-python-memory",
            message=f"{_PYTHON_MEMORY} is {python_memory // _MIB} MiB; {need}. Raise it, or remove "
            f"it.",
        )
    on_cluster = given.master.startswith(("yarn", "k8s"))
    if on_cluster and not python_memory and (overhead := _overhead_bytes(given)) < needed:
        yield Finding(
            name="little-memory-overhead",
            message=f"{_OVERHEAD} is {overhead // _MIB} MiB; {need}, or the cluster manager ends "
            f"the executor. Set it to {needed // _MIB}m.",
        )
    arrow_bytes = given.size(_ARROW_BYTES, 64 * _MIB, "b")
    if not 0 < arrow_bytes <= _MOST_ARROW_BYTES:
        yield Finding(
            name="large-arrow-batches",
            message=f"{_ARROW_BYTES}={arrow_bytes}: a worker holds several such batches at once. "
            f"Set it to {64 * _MIB} (64 MiB).",
        )


def _overhead_bytes(given: SparkProperties) -> int:
    """Return what an executor has beside its heap, on YARN or Kubernetes."""
    heap = given.size("spark.executor.memory", 1024 * _MIB, "m")
    share = 0.4 if given.master.startswith("k8s") else 0.1
    share = given.number("spark.executor.memoryOverheadFactor", share)
    return given.size(_OVERHEAD, max(384 * _MIB, int(share * heap)), "m")
