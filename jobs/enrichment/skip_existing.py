"""What an output has already: documents whose text and settings are those of an earlier run.

Enters: documents with an id, an output. Leaves: the documents whose result does not stand there.
Must not import: torch, transformers. Needs classic Spark.

Nothing of a document comes to the driver: ids and hashes of texts are compared by an anti-join.
"""

from __future__ import annotations

import re

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_entities.jobs.config import InputSection
from spark_entities.jobs.enrichment.settings import Settings, digest
from spark_entities.jobs.output.run_folders import RunFolders
from spark_entities.jobs.tables.columns import INTERNAL, check_column, field, quoted
from spark_entities.udfs.errors import ConfigError

_ID, _HASH = f"{INTERNAL}id", f"{INTERNAL}hash"


def check_existing(
    documents: DataFrame, section: InputSection, output: RunFolders, settings: Settings
) -> None:
    """Refuse an input whose ids cannot be those of what stands in the output.

    Raises:
        ConfigError: if there are none, or they are of another type.

    """
    check_column(documents.schema, section, "input.id_column", section.id_column)
    name, standing = str(section.id_column), _read_existing(documents, output, settings)
    if re.search("map<|variant", dict(documents.dtypes)[name]):
        raise ConfigError(
            f"input.id_column={name!r} is of type {dict(documents.dtypes)[name]}, whose values "
            f"Spark cannot compare. Choose a column of plain values, or cast it."
        )
    if standing is None:
        return
    given, stands = (dict(df.dtypes).get(name) for df in (documents, standing))
    if given != stands:
        raise ConfigError(
            f"input.id_column={name!r} is of type {given}, and {stands or 'missing'} in what "
            f"stands in the output. Cast it, or choose another output.path."
        )


def drop_existing(
    documents: DataFrame, section: InputSection, output: RunFolders, settings: Settings
) -> DataFrame:
    """Leave out documents that stand in the output with this id, this text, by these settings.

    Args:
        documents: the input, at which `check_existing` has looked.
        section: how it is read; names the columns of id and texts.
        output: where earlier runs stand.
        settings: what results depend on.

    """
    standing = _read_existing(documents, output, settings)
    if standing is None:
        return documents
    identifier = F.col(quoted(str(section.id_column)))
    texts = [field(documents, name) for name in section.texts]
    text = F.xxhash64(*texts, *(each.isNull() for each in texts))  # which passes over nulls
    keys = standing.select(identifier.alias(_ID), text.alias(_HASH))
    same = identifier.eqNullSafe(F.col(_ID)) & (text == F.col(_HASH))
    return documents.join(keys, same, "left_anti")


def _read_existing(
    documents: DataFrame, output: RunFolders, settings: Settings
) -> DataFrame | None:
    """Read the runs that were made by the same settings; nothing where there are none."""
    records = output.records().items()
    folders = [folder for folder, record in records if record.settings == digest(settings)]
    return documents.sparkSession.read.parquet(*folders) if folders else None
