import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_entities.jobs.scoring.conll import Sentence, detokenise, join_words
from spark_entities.jobs.scoring.tags import read_scheme, tag_words, to_iob2
from spark_entities.udfs.errors import ConfigError


def convert(sentences, rename=None):
    tagged = [Sentence(words=("w",) * len(tags), tags=tuple(tags)) for tags in sentences]
    return to_iob2(sentences, read_scheme(tagged, "file"), rename or {})


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("I-A I-A O I-A", "B-A I-A O B-A"),  # IOB1
        ("I-A B-A I-A I-B", "B-A B-A I-A B-B"),
        ("B-A I-A B-A O", "B-A I-A B-A O"),  # IOB2
        ("B-A I-A E-A S-A S-A", "B-A I-A I-A B-A B-A"),  # BIOES
        ("B-A L-A U-A O U-B", "B-A I-A B-A O B-B"),  # BILOU
        ("B-A M-A E-A S-A S-A", "B-A I-A I-A B-A B-A"),  # BMES
        ("B_A I_A o I_B", "B-A I-A O B-B"),
        ("DET NOUN NOUN", "DET NOUN NOUN"),
    ],
)
def test_every_scheme_becomes_iob2(given, written):
    assert convert([given.split()]) == [written.split()]


def test_no_entity_goes_on_from_one_sentence_into_the_next():
    assert convert([["B-A", "I-A"], ["I-A"]]) == [["B-A", "I-A"], ["B-A"]]


# Entities of a sentence: lengths, 0 for a word outside, and types.
ENTITIES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("AB")), min_size=1)


def write(entities, scheme):
    """Write entities as tags in a scheme; the spellings are its definition."""
    tags, previous = [], None
    for length, kind in entities:
        if length == 0:
            tags.append("O")
        elif scheme == "IOB1":
            tags += [f"{'B' if previous == kind else 'I'}-{kind}"] + [f"I-{kind}"] * (length - 1)
        elif scheme == "IOB2":
            tags += [f"B-{kind}"] + [f"I-{kind}"] * (length - 1)
        elif length == 1:
            tags.append(f"S-{kind}")
        else:
            tags += [f"B-{kind}"] + [f"I-{kind}"] * (length - 2) + [f"E-{kind}"]
        previous = kind if length else None
    return tags


@given(ENTITIES, st.sampled_from(["IOB1", "IOB2", "BIOES"]))
def test_the_schemes_say_the_same(entities, scheme):
    if any(length for length, _ in entities):
        assert convert([write(entities, scheme)]) == [write(entities, "IOB2")]


def test_types_are_renamed_and_taken_out():
    sentences = [["B-GPE", "I-GPE", "B-LOC", "B-DRV", "I-DRV"]]
    assert convert(sentences, {"GPE": "LOC", "DRV": "O"}) == [["B-LOC", "I-LOC", "B-LOC", "O", "O"]]
    assert convert([["NOUN", "PROPN"]], {"PROPN": "NOUN"}) == [["NOUN", "NOUN"]]
    with pytest.raises(ConfigError, match=r"gold\.rename names GPE, which no tag"):
        convert([["B-LOC"]], {"GPE": "LOC"})


def test_tags_that_are_none_are_refused_and_not_quoted():
    sentences = [
        Sentence(words=("a",), tags=("B-A",), line=3),
        Sentence(words=("b", "c"), tags=("O", "geheim"), line=7),
    ]
    with pytest.raises(ConfigError, match=r"file, line 8: a tag without B- or I-") as refused:
        read_scheme(sentences, "file")
    assert "geheim" not in str(refused.value)
    with pytest.raises(ConfigError, match=r"file has no tag but O\. Set gold\.tag_column"):
        read_scheme([Sentence(words=("a", "b"), tags=("O", "O"))], "file")


def test_entities_give_their_words_tags():
    text = detokenise(["Jan", "Mol", "in", "Gent", "."])
    mentions = [(0, 7, "PER"), (11, 15, "LOC")]
    assert tag_words(text, mentions) == ["B-PER", "I-PER", "O", "B-LOC", "O"]


@pytest.mark.parametrize(
    ("start", "end", "tags"),
    [
        (1, 5, ["B-X", "O", "O"]),  # the word's mark is not the entity's
        (0, 3, ["B-X", "O", "O"]),  # a part of a word, with its beginning
        (3, 5, ["O", "O", "O"]),  # a part of a word, without it
        (3, 8, ["O", "B-X", "O"]),
        (6, 11, ["O", "B-X", "B-X"]),
        (9, 10, ["O", "O", "B-X"]),  # a word of marks alone
    ],
)
def test_a_word_is_where_its_first_letter_is(start, end, tags):
    text = join_words(["(abcd", "ef", "..."])
    expected = [
        tag if tags[:i].count("B-X") == 0 else tag.replace("B-", "I-") for i, tag in enumerate(tags)
    ]
    assert tag_words(text, [(start, end, "X")]) == expected
    plain = [tag.removeprefix("B-") for tag in tags]
    assert tag_words(text, [(start, end, "X")], plain=True) == plain
