import gzip

import pytest

from jobs.conll import detokenise, read_conll
from jobs.evaluate import group_sentences, tag_words


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("Dat is in Londen .", "Dat is in Londen."),
        ("( Amsterdam ) , zei hij", "(Amsterdam), zei hij"),
        ('Hij riep : " Kom ! "', 'Hij riep: "Kom!"'),
        ("„ Kom ” en « ga »", "„Kom” en «ga»"),
        ("", ""),
    ],
)
def test_words_become_running_text(words, text):
    assert detokenise(words.split()).text == text


def test_offsets_slice_the_words_out_of_the_text():
    words = ["De", '"', "N.V.", '"', "(", "oud", ")", ",", "in", "1900", ";", "klaar", "!"]
    text = detokenise(words)
    assert [text.text[start:end] for start, end in text.offsets] == words


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.gz"])
def test_sentences_are_read_with_their_last_column(tmp_path, suffix):
    path = tmp_path / f"file{suffix}"
    lines = b"-DOCSTART- O\n\nJan N B-PER\nMol N I-PER\n\n\nhier Adv O\n"
    path.write_bytes(gzip.compress(lines) if suffix.endswith("gz") else lines)
    first, second = read_conll(path)
    assert (first.words, first.tags) == (("Jan", "Mol"), ("B-PER", "I-PER"))
    assert (first.starts_document, second.starts_document) == (True, False)


def test_a_word_without_a_tag_is_an_error_that_names_the_line_not_the_text(tmp_path):
    path = tmp_path / "file.tsv"
    path.write_text("Jan B-PER\ngeheim\n")
    with pytest.raises(ValueError, match=r"file\.tsv, line 2: a word without a tag") as refused:
        list(read_conll(path))
    assert "geheim" not in str(refused.value)


def test_groups_do_not_cross_documents(tmp_path):
    path = tmp_path / "file.tsv"
    path.write_text("a O\n\nb O\n\nc O\n\n-DOCSTART- O\n\nd O\n\n")
    groups = group_sentences(list(read_conll(path)), 2)
    assert [[s.words[0] for s in group] for group in groups] == [["a", "b"], ["c"], ["d"]]


def test_entities_give_their_words_tags():
    text = detokenise(["Jan", "Mol", "in", "Gent", "."])
    entities = [
        {"entity_group": "PER", "start": 0, "end": 7},
        {"entity_group": "LOC", "start": 11, "end": 15},
    ]
    assert tag_words(text, entities) == ["B-PER", "I-PER", "O", "B-LOC", "O"]
