import gzip
from itertools import repeat

import pytest

from spark_entities.jobs.scoring.conll import (
    Sentence,
    detokenise,
    group_sentences,
    join_words,
    read_conll,
)
from spark_entities.udfs.errors import ConfigError

CUT = gzip.compress(b"geheim O\n" * 99, mtime=0)[:-9]  # the same bytes in each process


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


@pytest.mark.parametrize("join", [detokenise, join_words])
def test_offsets_slice_the_words_out_of_the_text(join):
    words = ["De", '"', "N.V.", '"', "(", "oud", ")", ",", "in", "1900", ";", "klaar", "!"]
    text = join(words)
    assert [text.text[start:end] for start, end in text.offsets] == words


@pytest.mark.parametrize("name", ["file.tsv", "file.tsv.gz", "file"])
@pytest.mark.parametrize("zipped", [False, True])
def test_sentences_are_read_with_their_last_column(tmp_path, name, zipped):
    path = tmp_path / name
    lines = b"-DOCSTART- O\n\nJan N B-PER\nMol N I-PER\n\n\nhier Adv O\n"
    path.write_bytes(gzip.compress(lines) if zipped else lines)
    first, second = read_conll(path)
    assert (first.words, first.tags) == (("Jan", "Mol"), ("B-PER", "I-PER"))
    assert (first.starts_document, second.starts_document) == (True, False)
    assert (first.line, second.line) == (3, 7)


@pytest.mark.parametrize(
    ("content", "options", "words", "tags"),
    [
        (b"1\tJan\tN\tB-PER\t_\n", {"word_column": 2, "tag_column": -2}, ["Jan"], ["B-PER"]),
        (b"Jan N B-PER _\n", {"tag_column": 3}, ["Jan"], ["B-PER"]),
        (b"10 000\tO\n", {}, ["10 000"], ["O"]),
        (b"\xef\xbb\xbfJan O\r\nMol O\r\n", {}, ["Jan", "Mol"], ["O", "O"]),
        (b"Andr\xe9 O\n", {"encoding": "latin-1"}, ["André"], ["O"]),
        ("André O\nMol O\n".encode("utf-16"), {"encoding": "utf-16"}, ["André", "Mol"], ["O"] * 2),
        ("a\u2028b O\n".encode(), {}, ["a"], ["O"]),
    ],
)
def test_columns_and_encodings_are_read_as_told(tmp_path, content, options, words, tags):
    path = tmp_path / "file"
    path.write_bytes(content)
    (sentence,) = read_conll(path, **options)
    assert ([*sentence.words], [*sentence.tags]) == (words, tags)


def test_a_document_starts_where_its_mark_is_even_without_an_empty_line(tmp_path):
    path = tmp_path / "file"
    path.write_text("a O\n-DOCSTART- O\nb O\n\nc O\n")
    sentences = list(read_conll(path))
    assert [s.words for s in sentences] == [("a",), ("b",), ("c",)]
    assert [s.starts_document for s in sentences] == [False, True, False]


SECRET = "geheim"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            b"Jan B-PER\ngeheim\n",
            {},
            r"file, line 2: a word without a tag.* columns 1 and -1; mend",
        ),
        (b"Jan B-PER\n\ngeheim\t\n", {}, r"file, line 3: a word without a tag"),
        (b"\tgeheim\n", {}, r"file, line 1: a tag without a word"),
        (b"geheim N O\n", {"tag_column": 4}, r"file, line 1: a word without a tag.* 1 and 4"),
        (b"geheim N O\n", {"word_column": -4}, r"file, line 1: a tag without a word"),
        (b"Jan O\ngeheim\xe9 O\n", {}, r"file, line 2: not utf-8\. Name the encoding.*latin-1"),
        (CUT, {}, r"file: its gzip data are cut or damaged"),
    ],
)
def test_what_cannot_be_read_is_refused_by_file_and_line_and_never_quoted(
    tmp_path, content, options, message
):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as refused:
        list(read_conll(path, **options))
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_file_that_is_not_there_is_refused(tmp_path):
    for path in (tmp_path / "none.tsv", tmp_path):
        with pytest.raises(ConfigError, match=r"cannot be read \(.*\)\. Give a CoNLL file"):
            list(read_conll(path))


@pytest.mark.parametrize(
    ("size", "groups"),
    [(None, ["abc", "de"]), (1, [*"abcde"]), (2, ["ab", "c", "de"])],
)
def test_groups_of_sentences_do_not_reach_over_articles(size, groups):
    sentences = [
        Sentence(words=(word,), tags=("O",), starts_document=word in "ad") for word in "abcde"
    ]
    found = group_sentences(sentences, repeat(size))
    assert ["".join(sentence.words[0] for sentence in group) for group in found] == groups
