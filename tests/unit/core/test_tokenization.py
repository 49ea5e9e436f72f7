"""Tokenising chunk by chunk gives what tokenising whole documents gives, for every family."""

import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from spark_entities.udfs.core.text import Text
from spark_entities.udfs.core.tokenization import ChunkTokenizer, cuts_at_spaces
from tests.support.families import FAMILIES

AWKWARD = " \t\n\u00a0\u3000\u200b\u0301\u0600abÉß'’-.,東京ไทย🙂👩\u200d👧\u2581\u0120<s>"
DOCUMENTS = st.lists(st.text(st.sampled_from(AWKWARD) | st.characters(), max_size=20), max_size=4)


@cache
def chunked(family: str) -> ChunkTokenizer:
    tokenizer = FAMILIES[family]()
    tokenizer.encode_special_tokens = True
    tokenizer.post_processor = None
    return ChunkTokenizer(tokenizer)


@pytest.mark.parametrize("family", FAMILIES)
@given(documents=DOCUMENTS)
@example(documents=["Emma  woont ", " in", "", "Emma woont in Londen.\n\n  Emma"])
def test_chunks_give_the_tokens_of_whole_documents(family, documents):
    tokenizer = chunked(family)
    text = Text.join(documents)
    ids, offsets, splits = tokenizer.tokenize(text)
    borders = itertools.pairwise(text.row_splits)
    cleaned = ["".join(map(chr, text.codepoints[start:end])) for start, end in borders]
    whole = tokenizer.tokenizer.encode_batch(cleaned, add_special_tokens=False)
    starts = text.row_splits.tolist()
    assert ids.tolist() == [i for encoding in whole for i in encoding.ids]
    assert splits.tolist() == np.cumsum([0, *map(len, whole)]).tolist()
    assert offsets.tolist() == [
        [start + a, start + b]
        for start, encoding in zip(starts, whole, strict=False)
        for a, b in encoding.offsets
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_known_to_cut_at_spaces(family):
    assert cuts_at_spaces(FAMILIES[family]())


def whitespace_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def without_pre_tokenizer(tokenizer):
    tokenizer.pre_tokenizer = None


def without_splitting(tokenizer):
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)


def with_punctuation_first(tokenizer):
    steps = [pre_tokenizers.Punctuation(), pre_tokenizers.WhitespaceSplit()]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)


def with_a_prefix(tokenizer):
    tokenizer.normalizer = normalizers.Prepend("x")


def with_replaced_spaces(tokenizer):
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace("a b", "c")]
    )


def with_an_added_phrase(tokenizer):
    tokenizer.add_tokens([AddedToken("New York")])


def with_a_greedy_token(tokenizer):
    tokenizer.add_tokens([AddedToken("<x>", rstrip=True)])


@pytest.mark.parametrize(
    "change",
    [
        without_pre_tokenizer,
        without_splitting,
        with_punctuation_first,
        with_a_prefix,
        with_replaced_spaces,
        with_an_added_phrase,
        with_a_greedy_token,
    ],
)
def test_a_tokenizer_that_may_look_across_spaces_gets_whole_documents(change):
    tokenizer = whitespace_tokenizer()
    assert cuts_at_spaces(tokenizer)
    change(tokenizer)
    assert not cuts_at_spaces(tokenizer)
    ids, _, splits = ChunkTokenizer(tokenizer).tokenize(Text.join(["a a", "a New York", "a b"]))
    whole = tokenizer.encode_batch(["a a", "a New York", "a b"], add_special_tokens=False)
    assert ids.tolist() == [i for encoding in whole for i in encoding.ids]
    assert splits.tolist() == np.cumsum([0, *map(len, whole)]).tolist()


class Spy:
    """A tokenizer that notes what it is asked for."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.asked: list[str] = []

    def __getattr__(self, name: str):
        return getattr(self._tokenizer, name)

    def encode_batch(self, chunks: list[str], **options: object):
        self.asked += chunks
        return self._tokenizer.encode_batch(chunks, **options)


def test_a_chunk_is_tokenised_once():
    spy = Spy(whitespace_tokenizer())
    tokenizer = ChunkTokenizer(spy)
    first = tokenizer.tokenize(Text.join(["a b a", "b b"]))
    assert spy.asked == ["a", " b", " a", "b"]
    second = tokenizer.tokenize(Text.join(["a b a", "b b"]))
    assert len(spy.asked) == 4
    assert [array.tolist() for array in first] == [array.tolist() for array in second]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("spark_entities.udfs.core.tokenization._REMEMBERED_BYTES", 10)
    spy = Spy(whitespace_tokenizer())
    tokenizer = ChunkTokenizer(spy)
    for _ in range(2):
        tokenizer.tokenize(Text.join(["a b cccccccccc"]))
    assert spy.asked == ["a", " b", " cccccccccc"] * 2
