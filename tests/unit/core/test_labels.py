import numpy as np
import pytest

from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.errors import ModelLoadError

IOB2 = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BIOES = ["O", "B-PER", "I-PER", "E-PER", "S-PER"]
BILOU = ["O", "B-PER", "I-PER", "L-PER", "U-PER"]


def scheme_of(labels: list[str]) -> LabelScheme:
    return LabelScheme.from_id2label(dict(enumerate(labels)))


@pytest.mark.parametrize(
    ("labels", "previous", "current", "expected"),
    [
        (IOB2, "B-PER", "I-PER", True),
        (IOB2, "I-PER", "I-PER", True),
        (IOB2, "I-PER", "B-PER", False),
        (IOB2, "B-PER", "I-LOC", False),
        (IOB2, "O", "I-PER", False),
        (IOB2, "O", "O", False),
        (BIOES, "B-PER", "E-PER", True),
        (BIOES, "I-PER", "E-PER", True),
        (BIOES, "E-PER", "E-PER", False),
        (BIOES, "E-PER", "I-PER", False),
        (BIOES, "S-PER", "S-PER", False),
        (BILOU, "B-PER", "L-PER", True),
        (BILOU, "U-PER", "L-PER", False),
        (["NOUN", "VERB"], "NOUN", "NOUN", False),
    ],
)
def test_a_label_continues_an_entity_as_its_scheme_says(labels, previous, current, expected):
    pair = np.array([labels.index(previous)]), np.array([labels.index(current)])
    assert scheme_of(labels).continues(*pair).tolist() == [expected]


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        (IOB2, ("PER", "LOC")),
        (["o", "b_per", "i_per"], ("per",)),
        (["O", "B-date-of-birth", "I-date-of-birth"], ("date-of-birth",)),
        (["O", "I-LOC", "I-PER"], ("LOC", "PER")),
        (["NOUN", "PROPN", "X"], ("NOUN", "PROPN", "X")),
        (["O", "B-PER", "country"], ("B-PER", "country")),
        (["B-O", "I-O", "B-PER"], ("PER",)),
        (["O", "B-PER", "I-PER", "[CLS]", "[SEP]"], ("PER",)),
        (["PAD", "O", "B-PER", "I-PER"], ("PER",)),
        (["<pad>", "O", "B-PER", "I-PER", "X"], ("PER",)),
        (["", "_", "O", "B-PER"], ("PER",)),
        (["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "DATE"], ("PER", "LOC", "DATE")),
        (["O", "E-mail", "U-turn", "name"], ("E-mail", "U-turn", "name")),
        (["LABEL_0", "LABEL_1"], ("LABEL_0", "LABEL_1")),
        (["NOUN", "[PAD]", "X"], ("NOUN", "[PAD]", "X")),
        (["O", "S-PER", "B-PER", "I-PER", "E-PER"], ("PER",)),
    ],
)
def test_a_prefix_is_stripped_only_where_most_labels_have_one(labels, groups):
    assert scheme_of(labels).groups == groups


def test_label_ids_with_gaps_are_refused():
    with pytest.raises(ModelLoadError, match=r"ids \[0, 2\].*must be 0\.\.1"):
        LabelScheme.from_id2label({0: "O", 2: "B-PER"})
