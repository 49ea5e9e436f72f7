"""The Arrow rows that leave the engine.

Enters: entities as flat arrays. Leaves: one struct a document, without a Python object per entity.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_entities.udfs.core.arrays import Bools, Ints
from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.core.records import Encoding, Entities
from spark_entities.udfs.core.redaction import REDACTION_TYPE
from spark_entities.udfs.core.redaction import redact as redact_mentions
from spark_entities.udfs.options import ClassifyOptions, RedactOptions

SCORE_CLASSES = 10
_PLACE = [("word", pa.string()), ("start", pa.int32()), ("end", pa.int32())]
ENTITY_TYPE = pa.struct([("entity_group", pa.string()), ("score", pa.float32()), *_PLACE])
TOKEN_TYPE = pa.struct(
    [("entity", pa.string()), ("score", pa.float32()), ("index", pa.int32()), *_PLACE]
)


def result_type(options: ClassifyOptions, redact: RedactOptions | None = None) -> pa.StructType:
    """Return the type of a result row; with strategy `none`, entities are labelled tokens.

    `num_left_out` is there where options may leave entities out, `redacted` and `redactions` (the
    text, and where in it what stands in the place of mentions) where something is redacted.
    """
    element = TOKEN_TYPE if options.aggregation_strategy == "none" else ENTITY_TYPE
    fields = [
        ("entities", pa.list_(element)),
        ("error", pa.string()),
        ("num_tokens", pa.int32()),
        ("num_windows", pa.int32()),
    ]
    if options.chooses:
        fields += [("num_left_out", pa.int32())]
    if redact is not None:
        fields += [("redacted", pa.string()), ("redactions", pa.list_(REDACTION_TYPE))]
    return pa.struct(fields)


def make_rows(
    encoding: Encoding,
    entities: Entities,
    scheme: LabelScheme,
    options: ClassifyOptions,
    redact: RedactOptions | None = None,
) -> pa.StructArray:
    """Build one result row a document: type `result_type(options, redact)`, (num_documents,)."""
    text, strategy = encoding.text, options.aggregation_strategy
    words = text.slices(*entities.offsets.T)
    more = []
    if redact is not None:
        redaction = redact_mentions(text, entities, scheme, redact)
        words = pc.coalesce(redaction.words, words) if redact.hides_words else words
        more = [redaction.texts, redaction.spans]
    if options.chooses:
        kept = choose(entities, scheme, options)
        found, entities = entities, entities.where(kept)
        words = words.filter(pa.array(kept))
        more = [_int32(found.counts - entities.counts), *more]
    local = entities.offsets - np.repeat(text.row_splits[:-1], entities.counts)[:, None]
    if strategy == "none":
        names = pa.array(scheme.labels).take(pa.array(entities.label_ids))
        head = [names, pa.array(entities.scores), _int32(entities.index)]
    else:
        groups = pa.array(scheme.groups, pa.string())
        names = groups.take(pa.array(scheme.group_ids[entities.label_ids]))
        head = [names, pa.array(entities.scores)]
    row_type = result_type(options, redact)
    values = pa.StructArray.from_arrays(
        [*head, words, *map(_int32, local.T)],
        fields=list(row_type.field("entities").type.value_type),
    )
    return pa.StructArray.from_arrays(
        [
            pa.ListArray.from_arrays(
                _int32(entities.row_splits), values, mask=pa.array(text.is_null)
            ),
            pa.nulls(len(text.is_null), pa.string()),
            _int32(np.diff(encoding.tokens.row_splits)),
            _int32(np.diff(encoding.windows.row_splits)),
            *more,
        ],
        fields=list(row_type),
    )


def choose(entities: Entities, scheme: LabelScheme, options: ClassifyOptions) -> Bools:
    """Tell which entities are to be kept, by group and score: (num_entities,)."""
    least = np.array([options.least_score(group) for group in scheme.groups], dtype=np.float32)
    kept: Bools = entities.scores >= least[scheme.group_ids[entities.label_ids]]
    return kept


def count_scores(rows: pa.StructArray) -> list[int]:
    """Count the entities of result rows by their scores, in `SCORE_CLASSES` classes from 0 to 1."""
    scores = rows.field("entities").flatten().field("score").to_numpy(zero_copy_only=False)
    counts: list[int] = np.histogram(scores, bins=SCORE_CLASSES, range=(0, 1))[0].tolist()
    return counts


def _int32(values: Ints) -> pa.Int32Array:
    return pa.array(values.astype(np.int32))


def make_error_row(
    error: str, options: ClassifyOptions, redact: RedactOptions | None = None
) -> pa.StructArray:
    """Build the result row of a document that failed, with the reason."""
    row = {"error": error, "num_tokens": 0, "num_windows": 0}
    return pa.array([row], type=result_type(options, redact))
