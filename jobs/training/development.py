"""Score a network in training on development corpora, word by word.

Enters: tagged texts, the engine around the network. Leaves: entity F1, or accuracy for plain tags.
Must not import: Spark.

F1 is seqeval's, micro-averaged over the types that a corpus annotates, of the label that the first
token of each word gets. `spark-entities evaluate` scores a finished model through the UDF.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from spark_entities.jobs.scoring.tags import Tags
from spark_entities.jobs.training.examples import TEXTS_AT_ONCE, first_tokens
from spark_entities.jobs.training.network import Trainee
from spark_entities.jobs.training.recipe import Corpus
from spark_entities.jobs.training.texts import TaggedText
from spark_entities.udfs.core.labels import OUTSIDE
from spark_entities.udfs.errors import ConfigError


def score_corpus(trainee: Trainee, texts: Sequence[TaggedText], corpus: Corpus) -> float:
    """Score one corpus: 0 to 1."""
    trainee.network.train(mode=False)
    with trainee.autocast():
        predicted = list(label_words(trainee, texts))
    trainee.network.train()
    gold = [text.tags for text in texts]
    if OUTSIDE not in trainee.classifier.model.scheme.labels:
        return word_accuracy(gold, predicted)
    return entity_f1(gold, [[_annotated(tag, corpus) for tag in tags] for tags in predicted])


def label_words(trainee: Trainee, texts: Sequence[TaggedText]) -> Iterator[list[str]]:
    """Yield the labels of each text's words; a word without a token is outside."""
    labels = trainee.classifier.model.scheme.labels
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        some = texts[start : start + TEXTS_AT_ONCE]
        encoding = trainee.classifier.encode([text.text for text in some])
        label_ids = trainee.classifier.forward(encoding).label_ids
        for tokens in first_tokens(encoding, some):
            found = np.where(tokens < 0, -1, label_ids[tokens])
            yield [labels[index] if index >= 0 else OUTSIDE for index in found.tolist()]


def _annotated(tag: str, corpus: Corpus) -> str:
    """Count a type that the corpus does not annotate as outside: it cannot be judged."""
    return OUTSIDE if tag[2:] in corpus.missing else tag


def word_accuracy(gold: Tags, predicted: Tags) -> float:
    """Return the share of words with the right tag; words whose tag the model lacks are left out.

    >>> word_accuracy([["NOUN", "O"]], [["NOUN", "VERB"]])
    1.0
    """
    pairs = zip(chain.from_iterable(gold), chain.from_iterable(predicted), strict=True)
    right = [this == that for this, that in pairs if this != OUTSIDE]
    return sum(right) / max(1, len(right))


def entity_f1(gold: Tags, predicted: Tags) -> float:
    """Return seqeval's micro-averaged F1.

    >>> entity_f1([["B-LOC", "O", "B-PER"]], [["B-LOC", "O", "O"]])
    0.6666666666666666
    """
    try:
        from seqeval.metrics import f1_score
    except ImportError:
        raise ConfigError(
            "development corpora are scored by seqeval, which is not installed. Install it, or "
            "leave development out of the recipe."
        ) from None
    return float(f1_score([*map(list, gold)], [*map(list, predicted)], zero_division=0))
