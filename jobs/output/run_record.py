"""The record of a run, `_run.json` in its folder: how its rows were made, for those who find them.

Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime

RECORD = "_run.json"
PAGE = "_report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """How a run was made. Its fields are the keys of the file, which may lack some of them."""

    run: str = ""
    ended: str = ""  # ISO 8601, UTC
    documents: int = 0
    failed: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)  # documents by reason, the commonest
    entities: Mapping[str, int] = field(default_factory=dict)  # mentions by group
    left_out: int = 0  # entities of other groups or lower scores
    tokens: int = 0
    seconds: float = 0.0  # of classification, without start and load
    model: str = ""  # name@revision
    model_sha256: str = ""
    precision: str = ""  # as it was asked for
    computed_in: Mapping[str, Sequence[str]] = field(default_factory=dict)  # precisions by device
    classify: Mapping[str, object] = field(default_factory=dict)
    settings: str = ""  # digest of all that results depend on
    format: str = "parquet"
    layout: str = "documents"
    partition_by: Sequence[str] = ()
    text_columns: Sequence[str] = ()  # where there are several
    mentions: int | None = None  # how many rows, where they are laid out by mention
    failures_of: str | None = None  # the output that a run's failures were written apart from

    @classmethod
    def from_json(cls, text: str | None) -> RunRecord:
        """Read a record; one that is missing or empty, or was written otherwise, says little.

        Raises:
            ValueError: if it is no JSON object.

        >>> RunRecord.from_json('{"run": "run-a", "colour": "red"}').run
        'run-a'
        """
        names = {each.name for each in fields(cls)}
        found = json.loads(text or "{}")
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
        return cls(**{name: value for name, value in found.items() if name in names})

    def told(self) -> dict[str, object]:
        """Return what there is to tell, by the names of the fields."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def to_json(self) -> str:
        """Write the record out."""
        return json.dumps(self.told(), indent=1)


def new_run_id() -> str:
    """Name a run by its time, with a letter first, so that readers take it for a string."""
    return f"run-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
