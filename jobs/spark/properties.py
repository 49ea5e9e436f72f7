"""Spark's properties, read as numbers, sizes and switches.

Enters: properties as text. Leaves: values, or a `ConfigError` that names the property.
Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from spark_entities.udfs.errors import ConfigError

CORES = "spark.executor.cores"
GPUS = "spark.executor.resource.gpu.amount"
TASK_CPUS = "spark.task.cpus"
TASK_GPUS = "spark.task.resource.gpu.amount"

_MASTERS = (
    r"local(\[([1-9]\d*|\*)\s*(,\s*\d+\s*)?\])?|local-cluster\[\s*\d+\s*,\s*\d+\s*,\s*\d+\s*\]"
    r"|yarn|\w+://.+"
)
_MEMORY = "spark.driver.memory", "spark.executor.memory"  # that Java starts with
_SHIFTS = {"b": 0, "k": 10, "m": 20, "g": 30, "t": 40}


class SparkProperties:
    """Spark's properties, read as numbers, sizes and switches."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._properties = properties
        self.master = properties.get("spark.master", "")
        self.gpus = self.number(GPUS, 0)  # of an executor
        self.task_gpus = self.number(TASK_GPUS, 0)  # less than 1 where tasks share one
        self.task_cpus = self.number(TASK_CPUS, 1)
        self.cores = self.number(CORES, 1)
        self.tasks_by_cores = int(self.cores // self.task_cpus)
        self.tasks_by_gpus = int(self.gpus / self.task_gpus) if self.task_gpus else 0
        self.is_local = re.fullmatch(r"local(\[.*\])?", self.master) is not None

    def __contains__(self, key: str) -> bool:
        return key in self._properties

    def check_start(self) -> None:
        """Refuse a master and sizes by which Spark does not start."""
        if self.master and not re.fullmatch(_MASTERS, self.master):
            raise ConfigError(
                f"spark.master={self.master} is none that Spark knows. Set it to local[2] or "
                f"local[*], yarn, or an address such as spark://host:7077."
            )
        for key in _MEMORY:
            self.size(key, 0, "m")

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
