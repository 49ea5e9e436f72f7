"""The engine, and the UDF around it.

Enters: text columns, or texts. Leaves: entities. `core` knows neither torch nor Spark.
"""

from __future__ import annotations

from importlib import import_module


def __getattr__(name: str) -> object:
    """Give the public names here too: in a checkout, `from udfs import make_entities_udf`."""
    return getattr(import_module("spark_entities"), name)
