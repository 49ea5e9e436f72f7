"""What a run did and what it cost: observed while Spark works, added up, summed up.

Enters: the results in a plan. Leaves: `Metrics`, and of a whole run its `Summary`.
Must not import: torch, transformers. Runs on Spark Connect.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from operator import add
from typing import Any, Self

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_entities.udfs.core.records import Cost
from spark_entities.udfs.core.results import SCORE_CLASSES

log = logging.getLogger("spark_entities.enrichment")

LENGTH_EDGES = (0, 1, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)  # in tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics(Cost):
    """What some documents gave and cost. Metrics add up."""

    documents: int = 0
    failed: int = 0
    num_tokens: int = 0
    num_windows: int = 0
    num_left_out: int = 0  # entities of other groups or lower scores than those that are kept
    start_seconds: float = 0.0  # until the first document went to a worker
    work_seconds: float = 0.0  # from then on, until all rows were written
    entities: Mapping[str, int]  # mentions by group
    devices: Sequence[tuple[str, str]]  # that models ran on, as torch names them; precisions there
    lengths: Sequence[int]  # documents by length, as LENGTH_EDGES cuts it
    scores: Sequence[int]  # mentions by score, in SCORE_CLASSES classes

    def __add__(self, other: Self) -> Self:
        sums: dict[str, Any] = {
            each.name: getattr(self, each.name) + getattr(other, each.name)
            for each in fields(self)
            if each.name not in ("entities", "devices", "lengths", "scores")
        }
        return type(self)(
            **sums,
            entities={group: n + other.entities[group] for group, n in self.entities.items()},
            devices=sorted({*self.devices, *other.devices}),
            lengths=[sum(pair) for pair in zip(self.lengths, other.lengths, strict=True)],
            scores=[sum(pair) for pair in zip(self.scores, other.scores, strict=True)],
        )

    @property
    def load_wait(self) -> float:
        """Seconds that a worker took to load its model, on average."""
        return self.load_seconds / max(self.num_model_loads, 1)

    @property
    def seconds(self) -> float:
        """Seconds of classification, without the load of the model before it."""
        return max(self.work_seconds - self.load_wait, 0.0)

    @property
    def tokens_per_second(self) -> float:
        """Tokens of the documents per second of classification; 0 where there was none."""
        return self.num_tokens / self.seconds if self.seconds else 0.0

    @property
    def precisions(self) -> dict[str, list[str]]:
        """The precisions in which models computed, by device."""
        found: dict[str, list[str]] = {}
        for device, precision in self.devices:
            found.setdefault(device, []).append(precision)
        return found

    @property
    def padding_share(self) -> float:
        """Share of what the model was given that was padding, 0 to 1."""
        return 1 - self.num_model_tokens / self.num_padded_tokens if self.num_padded_tokens else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(Metrics):
    """A run: its metrics, and where its result is."""

    run_id: str | None  # none where there were several
    result: str  # the folder or table, as it is printed
    page: str | None = None  # where the page about the run is


def warn_unlike(devices: Sequence[tuple[str, str]]) -> None:
    """Warn where models have computed in several precisions, as `auto` chooses by machine."""
    precisions = sorted({precision for _, precision in devices})
    if len(precisions) > 1:
        log.warning(
            "Models computed in %s: the machines are unlike, and so may the entities of equal "
            "texts be. Set model.precision to one of them.",
            " and in ".join(precisions),
        )


def observe_metrics(
    texts: Sequence[Column], mentions: Sequence[Mapping[str, Column]], *, chooses: bool
) -> list[Column]:
    """Return what is to be observed of a plan; `read_metrics` reads it.

    Args:
        texts: the results of a row's texts, as the UDF gives them.
        mentions: of each of them, by group.
        chooses: whether they tell of entities that were left out.

    """
    of_texts = ["num_tokens", "num_windows", *(["num_left_out"] if chooses else [])]
    sums = {name: _total(text[name] for text in texts) for name in of_texts}
    of_buffer = texts[0]["metrics"]
    sums |= {each.name: of_buffer[each.name] for each in fields(Cost)}
    tokens = sums["num_tokens"]
    starts_and_ends = zip(LENGTH_EDGES, [*LENGTH_EDGES[1:], 1 << 62], strict=True)
    counts = (_total(F.array_size(each[group]) for each in mentions) for group in mentions[0])
    return [
        F.count(F.lit(1)).alias("documents"),
        F.count(F.coalesce(*(text["error"] for text in texts))).alias("failed"),
        *(F.sum(value).alias(name) for name, value in sums.items()),
        F.array_sort(F.collect_set(_pair(of_buffer["device"], of_buffer["precision"]))).alias(
            "devices"
        ),
        F.array(*(F.sum(of_buffer["scores"][index]) for index in range(SCORE_CLASSES))).alias(
            "scores"
        ),
        F.array(
            *(F.count_if((tokens >= start) & (tokens < end)) for start, end in starts_and_ends)
        ).alias("lengths"),
        F.array(*map(F.sum, counts)).alias("mentions"),
    ]


def _pair(first: Column, second: Column) -> Column:
    """Put two values into a struct, and null where there is none."""
    return F.when(first.isNotNull(), F.struct(first, second))


def _total(numbers: Iterable[Column]) -> Column:
    """Add up what the texts of a row have, null for nothing."""
    return reduce(add, (F.coalesce(number, F.lit(0)) for number in numbers))


def read_metrics(observed: Mapping[str, Any], groups: Sequence[str]) -> Metrics:
    """Read what was observed; an empty table observes nulls."""
    lists: dict[str, Any] = {
        "mentions": [0] * len(groups),
        "lengths": [0] * len(LENGTH_EDGES),
        "scores": [0] * SCORE_CLASSES,
        "devices": [],
    }
    found = {name: observed.get(name) or nothing for name, nothing in lists.items()}
    counts = {name: value or 0 for name, value in observed.items() if name not in lists}
    return Metrics(
        **counts,
        entities={group: n or 0 for group, n in zip(groups, found["mentions"], strict=True)},
        devices=[(device, precision) for device, precision in found["devices"]],
        lengths=found["lengths"],
        scores=[n or 0 for n in found["scores"]],
    )
