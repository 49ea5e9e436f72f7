"""What redaction by a model would leave in the texts: gold entities that its predictions miss.

Enters: gold and predicted entities of sentences. Leaves: counts by type.
Must not import: Spark, torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from spark_entities.jobs.scoring.scores import Entity


class Remaining(NamedTuple):
    """How many gold entities of a type have a word that stays where predictions are redacted."""

    of_all: int  # where those of all types are
    of_own: int  # where those of this type alone are


def count_remaining(
    sentences: Iterable[tuple[Sequence[Entity], Sequence[Entity]]],
) -> dict[str, Remaining]:
    """Count the gold entities of which redaction would leave a word, by type."""
    any_type, own_type = Counter[str](), Counter[str]()
    for gold, predicted in sentences:
        for this in gold:
            near = [that for that in predicted if that.start < this.end and this.start < that.end]
            own = [that for that in near if that.group == this.group]
            any_type[this.group] += not _cover(near, this)
            own_type[this.group] += not _cover(own, this)
    return {group: Remaining(any_type[group], own_type[group]) for group in any_type}


def _cover(found: Sequence[Entity], entity: Entity) -> bool:
    words = {word for each in found for word in range(each.start, each.end)}
    return words.issuperset(range(entity.start, entity.end))
