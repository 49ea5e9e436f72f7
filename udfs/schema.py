"""The Arrow types of the engine, as Spark's.

Must not import: torch, transformers.
"""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_type


def spark_type(arrow_type: pa.DataType) -> T.DataType:
    """Return the Spark type of an Arrow type, so that each is written down once.

    >>> spark_type(pa.list_(pa.struct([("start", pa.int32())]))).simpleString()
    'array<struct<start:int>>'
    """
    return from_arrow_type(arrow_type)
