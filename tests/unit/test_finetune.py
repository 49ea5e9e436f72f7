import math
import random

import numpy as np
import pytest
import torch

from jobs.conll import Sentence
from jobs.finetune import (
    IGNORED,
    Example,
    allowed_labels,
    make_batches,
    partial_label_loss,
    sentence_targets,
)
from jobs.recipe import Corpus, label_names

LABELS = label_names(["PER", "MISC"])
CORPUS = Corpus(file="x", missing=["MISC"], rename={"PROD": "MISC"})


def test_an_outside_word_of_a_corpus_may_be_a_type_it_does_not_know():
    allowed = allowed_labels(LABELS, [CORPUS])
    assert [LABELS[i] for i in np.flatnonzero(allowed[len(LABELS)])] == ["O", "B-MISC", "I-MISC"]
    assert np.array_equal(allowed[: len(LABELS)], np.eye(len(LABELS), dtype=bool))


def test_types_are_renamed_and_unknown_types_count_as_outside():
    sentence = Sentence(words=("a", "b", "c"), tags=("B-PROD", "B-EVT", "O"))
    assert sentence_targets(sentence, CORPUS, 99, LABELS) == [LABELS.index("B-MISC"), 99, 99]


def test_the_loss_sums_the_probabilities_of_the_labels_allowed():
    logits = torch.log(torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1], [0.9, 0.05, 0.05]]))
    allowed = torch.tensor([[True, False, False], [True, False, True]])
    loss = partial_label_loss(logits, torch.tensor([0, 1, IGNORED]), allowed)
    assert loss.item() == pytest.approx(-(math.log(0.5) + math.log(0.2)) / 2)


def test_batches_hold_every_example_once_within_the_budget():
    examples = [
        Example(input_ids=np.arange(size), targets=np.zeros(size)) for size in (3, 9, 4, 4, 30, 5)
    ]
    batches = make_batches(examples, 20, random.Random(0))
    assert sorted(len(e.input_ids) for batch in batches for e in batch) == [3, 4, 4, 5, 9, 30]
    assert all(len(b) == 1 or len(b) * max(len(e.input_ids) for e in b) <= 20 for b in batches)
