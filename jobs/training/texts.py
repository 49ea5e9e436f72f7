"""Turn the corpora of a recipe into running texts whose words know which labels they may have.

Enters: a recipe, a folder of CoNLL files. Leaves: texts, word offsets and targets.
Must not import: Spark, torch, transformers.

Corpora that annotate less than the model knows, or something else, take part by sets of labels: an
`O` of a corpus without MISC is "O, B-MISC or I-MISC", a proper noun is any name.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spark_entities.jobs.scoring.conll import (
    Sentence,
    detokenise,
    group_sentences,
    join_texts,
    read_conll,
)
from spark_entities.jobs.training.recipe import Corpus, Training
from spark_entities.udfs.core.arrays import Bools, Ints
from spark_entities.udfs.core.labels import OUTSIDE
from spark_entities.udfs.errors import ConfigError

IGNORED = -1  # the target of a token that nothing is known of
_INVALID = 1e-9  # not 0: where a word has no token of its own, the label before it is not known
_NEXT = 0.01  # about how often a name follows one of its type at once, and is not the same


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedText:
    """Running text; of each word its characters, the tag it has in its corpus, and its target."""

    text: str
    offsets: Ints  # (num_words, 2)
    tags: tuple[str, ...]  # in the model's terms
    targets: Ints  # (num_words,): indices into `LabelSets`


CorporaRead = Sequence[tuple[Corpus, Sequence[TaggedText]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSets:
    """The sets of labels that words may have, numbered as they come."""

    labels: Sequence[str]
    _numbers: dict[frozenset[str], int] = field(default_factory=dict)

    def number(self, allowed: frozenset[str]) -> int:
        """Return the number of a set."""
        return self._numbers.setdefault(allowed, len(self._numbers))

    def table(self) -> Bools:
        """Tell which labels each set allows: bool, (num_sets, num_labels)."""
        rows = [[label in allowed for label in self.labels] for allowed in self._numbers]
        return np.array(rows, dtype=bool).reshape(-1, len(self.labels))

    def transitions(self) -> NDArray[np.float64]:
        """Weigh how a label (row) goes on with another: float64, (num_labels, num_labels)."""
        return np.array([[transition(a, b) for b in self.labels] for a in self.labels])


def may_follow(label: str, before: str) -> bool:
    """Tell whether a label may stand after another: `I-X` goes on with a name of type X.

    >>> [may_follow("I-PER", before) for before in ("B-PER", "I-PER", "B-LOC", "O")]
    [True, True, False, False]
    """
    return label[:2] != "I-" or (before[:2] in ("B-", "I-") and before[2:] == label[2:])


def transition(label: str, after: str) -> float:
    """Weigh how a label goes on with another: a name seldom ends where one of its type begins.

    >>> [transition("B-PER", label) for label in ("O", "I-PER", "B-PER", "I-LOC")]
    [1.0, 1.0, 0.01, 1e-09]
    """
    if not may_follow(after, label):
        return _INVALID
    return _NEXT if label != OUTSIDE and after == f"B-{label[2:]}" else 1.0


def model_tag(tag: str, corpus: Corpus, labels: Sequence[str]) -> str:
    """Put a tag of a corpus in the model's terms; what the model does not know is outside.

    >>> corpus = Corpus(file="x", rename={"GPE": "LOC"})
    >>> [model_tag(tag, corpus, ["O", "B-LOC", "I-LOC"]) for tag in ("B-GPE", "B-EVT")]
    ['B-LOC', 'O']
    """
    role, name = (tag[:2], tag[2:]) if tag[:2] in ("B-", "I-") else ("", tag)
    renamed = f"{role}{corpus.rename.get(name, name)}"
    return renamed if renamed in labels else OUTSIDE


def allowed_labels(tag: str, corpus: Corpus, labels: Sequence[str]) -> frozenset[str]:
    """Return the labels that a word with a tag of a corpus may have: all, where it says nothing.

    >>> corpus = Corpus(file="x", allow={"PROPN": ["PER"]})
    >>> sorted(allowed_labels("PROPN", corpus, ["O", "B-PER", "I-PER"]))
    ['B-PER', 'I-PER']
    """
    cases = tag.split(" ")
    keys = [key for key in (" ".join(cases[i:]) for i in range(len(cases))) if key in corpus.allow]
    if keys:
        names = {*corpus.allow[keys[0]]}
    else:
        found = model_tag(cases[-1], corpus, labels)
        if found != OUTSIDE:
            return frozenset([found])
        names = {OUTSIDE, *corpus.missing}
    allowed = frozenset(label for label in labels if label in names or label[2:] in names)
    return allowed or frozenset(labels)


def valid_labels(sentence: Iterable[frozenset[str]]) -> Iterator[frozenset[str]]:
    """Leave each word of a sentence the labels that may stand after those of the words before it.

    Where none is left, an inside that nothing began begins.

    >>> anything = frozenset(["O", "B-PER", "I-PER"])
    >>> [sorted(labels) for labels in valid_labels([anything, frozenset(["I-PER"])])]
    [['B-PER', 'O'], ['I-PER']]
    """
    before = frozenset([OUTSIDE])
    for allowed in sentence:
        before = _valid_after(before, allowed)
        yield before


@cache
def _valid_after(before: frozenset[str], allowed: frozenset[str]) -> frozenset[str]:
    valid = {label for label in allowed if any(may_follow(label, other) for other in before)}
    return frozenset(valid or {f"B-{label[2:]}" for label in allowed})


def case_tags(sentence: Sentence) -> list[str]:
    """Put before each tag what the word's first letter tells, in a language with capital letters.

    `capital`: it has one, where not every word would; `lone capital`: and its neighbours have none;
    `opening`: it has one, but begins a sentence, or follows a mark after which one may begin.

    >>> words, tags = ("De", "Franse", "wijn"), ("DET", "ADJ", "NOUN")
    >>> case_tags(Sentence(words=words, tags=tags))
    ['opening DET', 'lone capital ADJ', 'NOUN']
    """
    upper = [word[0].isupper() for word in sentence.words]
    after_mark = [True, *(not any(map(str.isalnum, word)) for word in sentence.words[:-1])]
    capital = [False, *(a and not b for a, b in zip(upper, after_mark, strict=True)), False]
    cases = []
    for place, tag in enumerate(sentence.tags, start=1):
        if capital[place]:
            lone = not (capital[place - 1] or capital[place + 1])
            cases.append(f"lone capital {tag}" if lone else f"capital {tag}")
        else:
            cases.append(f"opening {tag}" if upper[place - 1] else tag)
    return cases


def break_encoding(word: str) -> str:
    """Read a word's UTF-8 as if it were Latin-1, as happens to texts on their way.

    >>> break_encoding("België")
    'BelgiÃ«'
    """
    return word.encode().decode("latin-1")


def read_texts(
    corpus: Corpus,
    folder: Path,
    sets: LabelSets,
    training: Training,
    rng: random.Random,
    outside: Collection[str] = (),
) -> list[TaggedText]:
    """Read a corpus as texts of neighbouring sentences, `repeat` times.

    Args:
        corpus: which file, and how its tags read.
        folder: where the file is.
        sets: where the sets of labels are numbered.
        training: how long texts are, and how many have a broken encoding.
        rng: draws both.
        outside: words that are no name where the corpus leaves it open.

    Raises:
        ConfigError: if the file cannot be read, or holds nothing that the model could learn.

    """
    sentences = _read_part(corpus, folder)
    if corpus.allow:
        sentences = [replace(sentence, tags=tuple(case_tags(sentence))) for sentence in sentences]
    distinct = {tag for sentence in sentences for tag in sentence.tags}
    allowed = {tag: allowed_labels(tag, corpus, sets.labels) for tag in distinct}
    is_open = {tag for tag, labels in allowed.items() if len(labels) > 1}
    renamed = {tag: model_tag(tag, corpus, sets.labels) for tag in distinct}

    @cache
    def targets(sentence: Sentence) -> list[int]:
        words = (
            frozenset([OUTSIDE]) if tag in is_open and word in outside else allowed[tag]
            for word, tag in zip(sentence.words, sentence.tags, strict=True)
        )
        return [*map(sets.number, valid_labels(words))]

    texts = []
    for _ in range(corpus.repeat):
        for group in group_sentences(sentences, _sizes(training.max_sentences_per_text, rng)):
            tags = chain.from_iterable(sentence.tags for sentence in group)
            spell = break_encoding if rng.random() < training.broken_encoding else str
            text = join_texts([detokenise([*map(spell, each.words)]) for each in group])
            texts.append(
                TaggedText(
                    text=text.text,
                    offsets=np.array(text.offsets, dtype=np.int64),
                    tags=tuple(renamed[tag] for tag in tags),
                    targets=np.array([*chain.from_iterable(map(targets, group))], dtype=np.int64),
                )
            )
    return texts


def _read_part(corpus: Corpus, folder: Path) -> list[Sentence]:
    sentences = list(read_conll(folder / corpus.file))
    start, end = (round(share * len(sentences)) for share in corpus.part)
    if start == end:
        raise ConfigError(
            f"part={list(corpus.part)} of {corpus.file} holds none of its {len(sentences)} "
            f"sentences. Give a larger part."
        )
    return sentences[start:end]


def _sizes(most: int | None, rng: random.Random) -> Iterator[int | None]:
    """Draw how many sentences make a text, 1 to `most`; whole articles when None.

    A number of n or more comes with a chance of 1 / n, about: so texts of 8 to 15 sentences hold
    as many words, together, as single sentences do.
    """
    while True:
        yield int(1 / (1 - rng.random() * most / (most + 1))) if most else None
