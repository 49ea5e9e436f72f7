"""The Arrow rows that leave the engine.

Enters: entities as flat arrays. Leaves: one struct a document, without a Python object per entity.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from spark_entities.udfs.core.arrays import Ints
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.core.records import Encoding, Entities
from spark_entities.udfs.options import AggregationStrategy

_PLACE = [("word", pa.string()), ("start", pa.int32()), ("end", pa.int32())]
ENTITY_TYPE = pa.struct([("entity_group", pa.string()), ("score", pa.float32()), *_PLACE])
TOKEN_TYPE = pa.struct(
    [("entity", pa.string()), ("score", pa.float32()), ("index", pa.int32()), *_PLACE]
)


def result_type(strategy: AggregationStrategy) -> pa.StructType:
    """Return the type of a result row; with strategy `none`, entities are labelled tokens."""
    element = TOKEN_TYPE if strategy == "none" else ENTITY_TYPE
    return pa.struct(
        [
            ("entities", pa.list_(element)),
            ("error", pa.string()),
            ("num_tokens", pa.int32()),
            ("num_windows", pa.int32()),
        ]
    )


def make_rows(
    encoding: Encoding,
    entities: Entities,
    entity_splits: Ints,
    scheme: LabelScheme,
    strategy: AggregationStrategy,
) -> pa.StructArray:
    """Build one result row a document: type `result_type(strategy)`, length num_documents."""
    text = encoding.text
    row = np.repeat(np.arange(len(entity_splits) - 1), np.diff(entity_splits))
    local = entities.offsets - text.row_splits[row][:, None]
    if strategy == "none":
        names = pa.array(scheme.labels).take(pa.array(entities.label_ids))
        head = [names, pa.array(entities.scores), pa.array(entities.index.astype(np.int32))]
    else:
        groups = pa.array(scheme.groups, pa.string())
        names = groups.take(pa.array(scheme.group_ids[entities.label_ids]))
        head = [names, pa.array(entities.scores)]
    place = [
        text.slices(entities.offsets[:, 0], entities.offsets[:, 1]),
        pa.array(local[:, 0].astype(np.int32)),
        pa.array(local[:, 1].astype(np.int32)),
    ]
    row_type = result_type(strategy)
    values = pa.StructArray.from_arrays(
        [*head, *place], fields=list(row_type.field("entities").type.value_type)
    )
    splits = pa.array(entity_splits.astype(np.int32))
    return pa.StructArray.from_arrays(
        [
            pa.ListArray.from_arrays(splits, values, mask=pa.array(text.is_null)),
            pa.nulls(len(text.is_null), pa.string()),
            pa.array(np.diff(encoding.tokens.row_splits).astype(np.int32)),
            pa.array(np.diff(encoding.windows.row_splits).astype(np.int32)),
        ],
        fields=list(row_type),
    )


def make_error_row(error: str, strategy: AggregationStrategy) -> pa.StructArray:
    """Build the result row of a document that failed, with the reason."""
    row = {"error": error, "num_tokens": 0, "num_windows": 0}
    return pa.array([row], type=result_type(strategy))
