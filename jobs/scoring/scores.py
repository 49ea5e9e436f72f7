"""Scores of predicted tags against gold tags, as CoNLL and seqeval count them, and what went wrong.

Enters: tags of words, by sentence. Leaves: `Scores`. What is an entity, seqeval decides.
Must not import: Spark, torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple

from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from spark_entities.jobs.scoring.remaining import Remaining, count_remaining
from spark_entities.jobs.scoring.tags import Tags
from spark_entities.udfs.core.labels import OUTSIDE

Mode = Literal["default", "strict", "plain"]
Confusion = tuple[str | None, str | None]  # gold type, predicted type
Kind = Literal["right", "border", "type", "both", "missed", "spurious"]

LENGTHS = ("1", "2", "3", "4+")  # words of an entity
KINDS: Mapping[Kind, str] = {
    "right": "the same words and the same type",
    "border": "the same type, other words: the two share a word",
    "type": "the same words, another type",
    "both": "other words and another type: the two share a word",
    "missed": "a gold entity without a prediction of its own",
    "spurious": "a prediction without a gold entity of its own",
}


class Entity(NamedTuple):
    """The words `[start, end)` of a sentence, and their type."""

    start: int
    end: int
    group: str


class Pair(NamedTuple):
    """A gold entity and the prediction that answers to it, or one of them alone."""

    gold: Entity | None
    predicted: Entity | None

    @property
    def kind(self) -> Kind:
        """What the prediction is, in the terms of `KINDS`."""
        if self.gold is None:
            return "spurious"
        if self.predicted is None:
            return "missed"
        words = self.gold[:2] == self.predicted[:2]
        group = self.gold.group == self.predicted.group
        return "right" if words and group else "border" if group else "type" if words else "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many entities there are, were predicted, and were predicted right."""

    gold: int
    predicted: int
    right: int

    @property
    def precision(self) -> float:
        """Share of the predictions that are right; 0 where there are none."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold entities that were predicted; 0 where there are none."""
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        precision, recall = self.precision, self.recall
        return 2 * precision * recall / (precision + recall) if self.right else 0.0

    def __add__(self, other: Score) -> Score:
        return Score(
            gold=self.gold + other.gold,
            predicted=self.predicted + other.predicted,
            right=self.right + other.right,
        )


NOTHING = Score(gold=0, predicted=0, right=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """All that is told of a model on a gold file. Types are sorted."""

    types: Mapping[str, Score]
    strict: Mapping[str, Score]  # the same by seqeval's strict mode; empty for plain tags
    lengths: Mapping[str, Score]  # by `LENGTHS`
    kinds: Mapping[Kind, int]
    confusions: Mapping[Confusion, int]
    remaining: Mapping[str, Remaining]
    num_words: int
    num_right_words: int

    @property
    def micro(self) -> Score:
        """All types together."""
        return sum(self.types.values(), NOTHING)

    @property
    def strict_micro(self) -> Score:
        """All types together, by seqeval's strict mode."""
        return sum(self.strict.values(), NOTHING)

    def without(self, group: str) -> Score:
        """All types together but one, as if neither the gold nor the model had it."""
        others = (score for name, score in self.types.items() if name != group)
        return sum(others, NOTHING)

    @property
    def accuracy(self) -> float:
        """Share of the words whose tag is right."""
        return self.num_right_words / self.num_words


def score(gold: Tags, predicted: Tags, *, plain: bool = False) -> Scores:
    """Score predicted tags against gold tags, both by sentence; plain tags word by word."""
    mode: Mode = "plain" if plain else "default"
    sentences = [*align(gold, predicted, mode)]
    pairs = [pair for sentence in sentences for pair in pair_entities(*sentence)]
    kinds = Counter(pair.kind for pair in pairs)
    confusions = Counter(
        (pair.gold and pair.gold.group, pair.predicted and pair.predicted.group) for pair in pairs
    )
    words = [*zip(chain.from_iterable(gold), chain.from_iterable(predicted), strict=True)]
    by_length = count(sentences, length_of)
    return Scores(
        types=count(sentences, lambda each: each.group),
        strict={} if plain else count(align(gold, predicted, "strict"), lambda each: each.group),
        lengths={length: by_length.get(length, NOTHING) for length in LENGTHS},
        kinds={kind: kinds[kind] for kind in KINDS},
        confusions=confusions,
        remaining=count_remaining(sentences),
        num_words=len(words),
        num_right_words=sum(this == that for this, that in words),
    )


def align(gold: Tags, predicted: Tags, mode: Mode) -> Iterator[tuple[list[Entity], list[Entity]]]:
    """Give the gold entities and the predictions of each sentence."""
    return zip(read_entities(gold, mode), read_entities(predicted, mode), strict=True)


def read_entities(tags: Tags, mode: Mode) -> list[list[Entity]]:
    """Read the entities off the tags of sentences, as seqeval does in one of its modes.

    `plain`: each word that has a tag is one.

    >>> read_entities([["B-PER", "I-PER", "O", "I-LOC"]], "default")
    [[Entity(start=0, end=2, group='PER'), Entity(start=3, end=4, group='LOC')]]
    >>> read_entities([["B-PER", "I-PER", "O", "I-LOC"]], "strict")
    [[Entity(start=0, end=2, group='PER')]]
    """
    if mode == "strict":
        found = Entities([list(sentence) for sentence in tags], scheme=IOB2).entities
        return [[Entity(each.start, each.end, each.tag) for each in sentence] for sentence in found]
    if mode == "default":
        chunks = (get_entities(list(sentence)) for sentence in tags)
        return [[Entity(start, last + 1, group) for group, start, last in each] for each in chunks]
    return [
        [Entity(at, at + 1, tag) for at, tag in enumerate(sentence) if tag != OUTSIDE]
        for sentence in tags
    ]


def length_of(entity: Entity) -> str:
    """Name an entity's length, as in `LENGTHS`.

    >>> length_of(Entity(2, 9, "ORG"))
    '4+'
    """
    return LENGTHS[min(entity.end - entity.start, len(LENGTHS)) - 1]


def count(
    sentences: Iterable[tuple[Sequence[Entity], Sequence[Entity]]], key: Callable[[Entity], str]
) -> dict[str, Score]:
    """Count gold, predicted and right entities of sentences by a key, which is sorted."""
    gold, predicted, right = Counter[str](), Counter[str](), Counter[str]()
    for these, those in sentences:
        gold.update(map(key, these))
        predicted.update(map(key, those))
        right.update(map(key, set(these) & set(those)))
    return {
        name: Score(gold=gold[name], predicted=predicted[name], right=right[name])
        for name in sorted(gold | predicted)
    }


def pair_entities(gold: Sequence[Entity], predicted: Sequence[Entity]) -> list[Pair]:
    """Pair the gold entities of a sentence with predictions that share words with them.

    Each is in one pair. Where several could be partners, those of the same words come first, then
    those of the same type, then those that share most words, then those nearest the beginning.

    >>> pair_entities([Entity(0, 3, "ORG")], [Entity(0, 1, "LOC"), Entity(1, 3, "ORG")])[0].kind
    'border'
    """
    candidates = []
    for this in gold:
        for that in predicted:
            shared = min(this.end, that.end) - max(this.start, that.start)
            if shared > 0:
                rank = (this[:2] != that[:2], this.group != that.group, -shared, this, that)
                candidates.append(rank)
    free = {*gold}, {*predicted}
    pairs = []
    for *_, this, that in sorted(candidates):
        if this in free[0] and that in free[1]:
            pairs.append(Pair(this, that))
            free[0].remove(this)
            free[1].remove(that)
    missed = [Pair(this, None) for this in sorted(free[0])]
    spurious = [Pair(None, that) for that in sorted(free[1])]
    return pairs + missed + spurious
