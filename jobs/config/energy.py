"""What computing costs in power and carbon: hours × watts × intensity.

The formula is that of Lacoste et al. 2019 (arXiv 1910.09700).
Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Energy(BaseModel):
    """What the carbon footprint is reckoned with: hours × watts × intensity."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    watts: float = Field(default=150, gt=0)
    """Power of the machines at work together, or of the share that the job has."""

    grams_co2e_per_kwh: float = Field(default=432, gt=0)
    """Carbon intensity of the power; the default is the OECD's average of 2014."""

    def footprint(self, hours: float) -> tuple[float, float]:
        """Return kWh and grams of CO2e.

        >>> Energy(watts=500, grams_co2e_per_kwh=300).footprint(2.0)
        (1.0, 300.0)
        """
        kwh = hours * self.watts / 1000
        return kwh, kwh * self.grams_co2e_per_kwh
