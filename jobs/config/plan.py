"""The configuration of `spark-entities plan`: that of `enrich`, and what is wished of the run.

Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

from pydantic import Field

from spark_entities.jobs.config.enrich import EnrichConfig
from spark_entities.jobs.config.sections import MOST_ROWS, Section


class PlanSection(Section):
    """What a run is planned by."""

    sample: int = Field(default=200, ge=1, le=MOST_ROWS)
    """Documents to measure with at first; more are taken until that has told enough."""

    hours: float | None = Field(default=None, gt=0)
    """Hours that the run may take, from which the number of executors follows."""

    price_per_hour: float | None = Field(default=None, ge=0)
    """Price of an executor for an hour, or of a GPU where each has one."""


class PlanConfig(EnrichConfig):
    """Plan the run of `spark-entities enrich` by a sample. `--config FILE` reads YAML keys."""

    plan: PlanSection = PlanSection()
