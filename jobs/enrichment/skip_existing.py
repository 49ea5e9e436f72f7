"""What an output has already: documents whose text and settings are those of an earlier run.

Enters: documents with an id, an output. Leaves: the documents whose result does not stand there.
Must not import: torch, transformers. Needs classic Spark.

Nothing of a document comes to the driver: ids and hashes of texts are compared by an anti-join.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_entities.jobs.config import InputSection
from spark_entities.jobs.output.run_folders import RunFolders
from spark_entities.jobs.tables.reading import check_id, quoted
from spark_entities.udfs.errors import ConfigError

_ID, _HASH = "_spark_entities_id", "_spark_entities_hash"


def digest_settings(fingerprint: Mapping[str, object]) -> str:
    """Return a name for what results depend on; equal settings, equal names.

    >>> digest_settings({"classify.stride": 128, "model": "m"})
    '3ff2874834fa'
    """
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:12]


def drop_existing(
    documents: DataFrame, section: InputSection, output: RunFolders, settings: str
) -> DataFrame:
    """Leave out documents that stand in the output with this id, this text, by these settings.

    Args:
        documents: the input.
        section: how it is read; names the columns of id and text.
        output: where earlier runs stand.
        settings: what results depend on; see `digest_settings`.

    Raises:
        ConfigError: if the input or what stands has no such id.

    """
    names = [str(section.id_column), section.text_column]
    check_id(documents, section)
    folders = [
        folder for folder, record in output.records().items() if record.get("settings") == settings
    ]
    if not folders:
        return documents
    stands = documents.sparkSession.read.parquet(*folders)
    kinds = [dict(df.dtypes).get(names[0]) for df in (documents, stands)]
    if kinds[0] != kinds[1]:
        raise ConfigError(
            f"input.id_column={names[0]!r} is of type {kinds[0]}, and {kinds[1] or 'missing'} in "
            f"what stands in the output. Cast it, or choose another output.path."
        )
    identifier, text = (F.col(quoted(name)) for name in names)
    keys = stands.select(identifier.alias(_ID), F.xxhash64(text).alias(_HASH))
    same = identifier.eqNullSafe(F.col(_ID)) & (F.xxhash64(text) == F.col(_HASH))
    return documents.join(keys, same, "left_anti")
