import numpy as np
import pytest

from spark_entities.udfs.core.labels import LabelScheme
from spark_entities.udfs.errors import ModelLoadError

IOB2 = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BIOES = ["O", "B-PER", "I-PER", "E-PER", "S-PER"]
BMES = ["B-PER", "M-PER", "E-PER", "S-PER", "O"]
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
        (BMES, "B-PER", "M-PER", True),
        (BMES, "M-PER", "M-PER", True),
        (BMES, "M-PER", "E-PER", True),
        (BMES, "E-PER", "M-PER", False),
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
        (["O", "vitamin-B", "hepatitis-B"], ("vitamin-B", "hepatitis-B")),
        (["NOUN", "[PAD]", "X"], ("NOUN", "[PAD]", "X")),
        (["O", "S-PER", "B-PER", "I-PER", "E-PER"], ("PER",)),
    ],
)
def test_a_prefix_is_stripped_only_where_most_labels_have_one(labels, groups):
    assert scheme_of(labels).groups == groups


def of_types(types: str, roles: str, form: str = "{}-{}") -> list[str]:
    return [form.format(role, name) for name in types.split() for role in roles]


UPOS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PRON PROPN PUNCT SCONJ SYM VERB X"
PUBLIC = {  # the labels of public checkpoints, by their config.json
    "FacebookAI/xlm-roberta-large-finetuned-conll02-dutch": (
        [*of_types("LOC MISC ORG PER", "BI"), "O"],
        "LOC MISC ORG PER",
    ),
    "dslim/distilbert-NER": (["O", *of_types("PER ORG LOC MISC", "BI")], "PER ORG LOC MISC"),
    "CATIE-AQ/NERmembert2-4entities": (["O", "PER", "ORG", "LOC", "MISC"], "PER ORG LOC MISC"),
    "EvanD/dutch-ner-xlm-conll2003": (
        ["<unk>", "O", *of_types("ORG MISC PER LOC", "SBEI"), "<START>", "<STOP>"],
        "ORG MISC PER LOC",
    ),
    "lst-nectec/HoogBERTa-NER-lst20": (
        ["<s>", "<pad>", "</s>", "<unk>", "O", *of_types("ORG PER LOC MEA", "BIE", "{}_{}")],
        "ORG PER LOC MEA",
    ),
    "monologg/koelectra-small-finetuned-naver-ner": (
        ["O", *(f"{name}-{role}" for name in ("PER", "FLD", "AFW") for role in "BI")],
        "PER FLD AFW",
    ),
    "bltlab/queryner-bert-base-uncased": (
        ["O", *of_types("UoM color core_product_type", "BI")],
        "UoM color core_product_type",
    ),
    "tartuNLP/EstBERT_UPOS_128": (UPOS.split(), UPOS),
    "wietsedv/bert-base-dutch-cased-finetuned-udlassy-pos": (
        ["O", *UPOS.lower().split()],
        UPOS.lower(),
    ),
    "dominguesm/canarim-bert-postag-nheengatu": (of_types(UPOS, "B"), UPOS),
    "KoichiYasuoka/roberta-large-english-upos": (  # words of several tokens have roles, others none
        ["ADJ", "ADP+DET", *of_types("ADJ ADP ADP+NOUN", "BI")],
        "ADJ ADP+DET ADP ADP+NOUN",
    ),
    "virtual-human-chc/prot_bert_bfd_ss3": (["E", "C", "H"], "E C H"),
    "yitengm/bert-finetunes-ner": (["LABEL_0", "LABEL_1", "LABEL_2"], "LABEL_0 LABEL_1 LABEL_2"),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_labels_as_they_are_in_the_wild(name):
    labels, groups = PUBLIC[name]
    assert scheme_of(labels).groups == tuple(groups.split())


def test_a_suffix_tells_where_entities_begin():
    scheme = scheme_of(["O", "PER-B", "PER-I"])
    assert scheme.continues(np.array([1, 2, 2]), np.array([2, 2, 1])).tolist() == [
        True,
        True,
        False,
    ]


def test_label_ids_with_gaps_are_refused():
    with pytest.raises(ModelLoadError, match=r"ids \[0, 2\].*must be 0\.\.1"):
        LabelScheme.from_id2label({0: "O", 2: "B-PER"})
