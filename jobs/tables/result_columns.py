"""The columns that a result has beside those of its input: their names, and the text each is of.

Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.tables.columns import quoted
from spark_entities.udfs.errors import ConfigError

ENTITY_MODEL = "entity_model"
ENTITY_RUN = "entity_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextColumn:
    """A column with texts, and the columns of its results."""

    name: str  # as it is configured: `title`, or `source.name`, a field of a struct
    prefix: str  # of the columns of its results
    redacted: str | None  # the column of the texts without their mentions; none without redaction
    groups: Sequence[str]  # of entities that are kept

    @property
    def entities(self) -> str:
        """The column of the entities."""
        return f"{self.prefix}entities"

    @property
    def error(self) -> str:
        """The column of the reason why there are none."""
        return f"{self.prefix}entity_error"

    @property
    def redactions(self) -> str:
        """The column of what stands in the place of mentions, and where."""
        return f"{self.redacted}_spans"

    @property
    def by_group(self) -> dict[str, str]:
        """The column of each group's words: names and groups, where no two share a name."""
        return {_of_group(self.prefix, group): group for group in self.groups}

    @property
    def added(self) -> list[str]:
        """All columns of its results, in their order."""
        redacted = [self.redacted, self.redactions] if self.redacted else []
        return [self.entities, *self.by_group, self.error, *redacted]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultColumns:
    """The columns that a result has beside those of the input."""

    texts: Sequence[TextColumn]
    model: str
    run: str

    @classmethod
    def of(cls, config: EnrichConfig, groups: Sequence[str]) -> ResultColumns:
        """Name them.

        Raises:
            ConfigError: if two groups, or two columns of texts, would share one.

        """
        names, prefix = config.input.texts, config.output.prefix
        stems = [name.replace(".", "_") for name in names]
        kept = config.classify.kept(groups)
        _check_distinct(
            "model.name: the labels",
            dict(zip(kept, (_of_group(prefix, group) for group in kept), strict=True)),
            "Rename one of them in id2label of the checkpoint's config.json.",
        )
        _check_distinct(
            "input.text_columns:",
            {each: f"{stem.lower()}_entities" for each, stem in zip(names, stems, strict=True)},
            "Rename one of them first.",
        )
        texts = [
            TextColumn(
                name=name,
                prefix=prefix + (f"{stem}_" if len(names) > 1 else ""),
                redacted=f"{prefix}{stem}_redacted" if config.redact.groups else None,
                groups=kept,
            )
            for name, stem in zip(names, stems, strict=True)
        ]
        return cls(texts=texts, model=prefix + ENTITY_MODEL, run=prefix + ENTITY_RUN)

    @property
    def several(self) -> list[str]:
        """The columns of texts, where there are several."""
        return [text.name for text in self.texts] if len(self.texts) > 1 else []

    @property
    def by_group(self) -> dict[str, str]:
        """The column of each group's words, of all columns of texts: names and groups."""
        return {name: group for text in self.texts for name, group in text.by_group.items()}

    def failed(self) -> Column:
        """Tell of a row whether one of its texts failed."""
        return reduce(or_, (F.col(quoted(text.error)).isNotNull() for text in self.texts))

    @property
    def added(self) -> list[str]:
        """All of them, in their order."""
        return [*(name for text in self.texts for name in text.added), self.model, self.run]


def _of_group(prefix: str, group: str) -> str:
    """Name the column of a group.

    >>> _of_group("", "date of birth")
    'entities_date_of_birth'
    """
    return f"{prefix}entities_{re.sub(r'[^0-9a-z]+', '_', group.lower()).strip('_')}"


def _check_distinct(what: str, columns: Mapping[str, str], remedy: str) -> None:
    """Refuse what would share a column with another."""
    first: dict[str, str] = {}
    for each, name in columns.items():
        if first.setdefault(name, each) != each:
            raise ConfigError(
                f"{what} {first[name]!r} and {each!r} would share the column {name}. {remedy}"
            )
