import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_entities.udfs.core.records import Tokens, Vocabulary
from spark_entities.udfs.core.text import Text
from spark_entities.udfs.core.words import find_words

VOCABULARY = Vocabulary(  # of two pieces, the second a word start alone
    text_ids=np.array([0, 1], dtype=np.int32),
    continuation_ids=np.array([False, False]),
    word_start_ids=np.array([False, True]),
)


def words_of(
    text: str, pieces: list[tuple[int, int]] | None = None, lone: list[int] | None = None
) -> Tokens:
    """Find words with one token a character that is not white space, unless pieces are given.

    `lone`: the pieces that are a word start alone.
    """
    if pieces is None:
        pieces = [(i, i + 1) for i, character in enumerate(text) if not character.isspace()]
    return find_words(
        Text.join([text]),
        np.isin(np.arange(len(pieces)), lone or []).astype(np.int32),
        np.array(pieces, dtype=np.int64).reshape(-1, 2),
        np.array([0, len(pieces)]),
        VOCABULARY,
    )


def slices(text: str, tokens: Tokens) -> list[str]:
    return [text[start:end] for start, end in tokens.word_offsets]


DEFAULT = [  # a row for each rule of Unicode's annex 29 on words
    ("Gal·les", ["Gal·les"]),  # WB6, 7: MidLetter between letters
    ("צה״ל", ["צה״ל"]),
    ("Gal· les", ["Gal", "·", "les"]),
    ("1·2", ["1", "·", "2"]),  # and not between digits
    ("can’t", ["can’t"]),  # MidNumLet between letters
    ("O＇Brien", ["O＇Brien"]),
    ("3.14", ["3.14"]),  # WB11, 12: MidNumLet and MidNum between digits
    ("1,000.5", ["1,000.5"]),
    ("٣٬٠٠٠", ["٣٬٠٠٠"]),
    ("1;2", ["1;2"]),
    ("a,b", ["a", ",", "b"]),  # and not between letters
    ("a1,b", ["a1", ",", "b"]),
    ("snake_case", ["snake_case"]),  # WB13a, b: ExtendNumLet
    ("v_2", ["v_2"]),
    ("a‿b", ["a‿b"]),
    ('צה"ל', ['צה"ל']),  # WB7b, c: a double quote between Hebrew letters
    ('a"b', ["a", '"', "b"]),
    ("ג'ורג'", ["ג'ורג'"]),  # WB7a: a single quote behind a Hebrew letter
    ("ג׳ירפה", ["ג׳ירפה"]),  # letter-like apostrophes, the geresh among them
    ("Hawaiʻi", ["Hawaiʻi"]),
    ("ʼn", ["ʼn"]),
    ("Ⓐbc", ["Ⓐbc"]),  # letters that are called symbols
    ("e\u0301·a", ["e\u0301·a"]),  # WB4: marks do not change that
    ("3a", ["3a"]),  # WB9, 10
    ("a\u200db", ["a\u200db"]),
]
DEPARTURES = [  # from that annex, on purpose: see the module
    ("12:30", ["12:30"]),
    ("naam:Emma", ["naam", ":", "Emma"]),
    ("S:t", ["S", ":", "t"]),
    ("G.7", ["G.7"]),
    ("Jean-Pierre", ["Jean-Pierre"]),
    ("R&D", ["R&D"]),
    ("_Emma_", ["_", "Emma", "_"]),
    ("snake__case", ["snake", "_", "_", "case"]),
    ("1\u202f000", ["1", "000"]),
    ("'t", ["'t"]),
    ("カタ", ["カ", "タ"]),
    ("น้ำ", ["น้ำ"]),
]


@pytest.mark.parametrize(("text", "words"), DEFAULT + DEPARTURES)
def test_inner_marks_follow_the_default_word_boundaries_but_where_they_depart(text, words):
    assert slices(text, words_of(text)) == words


@pytest.mark.parametrize("mark", ["\u3099", "\uff9e", "\u0301"])
def test_a_mark_that_the_tokenizer_drops_belongs_to_the_word_of_its_letter(mark):
    """A normaliser that strips or joins marks gives pieces that do not cover them."""
    text = f"ヒト{mark}メ"
    tokens = words_of(text, [(0, 1), (1, 2), (3, 4)])
    assert slices(text, tokens) == ["ヒ", f"ト{mark}", "メ"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Emma woont.", ["Emma", "woont", "."]),
        ("(Amsterdam)", ["(", "Amsterdam", ")"]),
        ('"Philips",', ['"', "Philips", '"', ","]),
        ("Jean-Pierre", ["Jean-Pierre"]),
        ("AT&T", ["AT&T"]),
        ("N.V. Philips", ["N.V", ".", "Philips"]),
        ("Emma's huis", ["Emma's", "huis"]),
        ("d’Artagnan", ["d’Artagnan"]),
        ("'s-Gravenhage", ["'s-Gravenhage"]),
        ("in ’t Gooi", ["in", "’t", "Gooi"]),
        ("'Philips'", ["'", "Philips", "'"]),
        ("Jan\nAmsterdam", ["Jan", "Amsterdam"]),
        ("Jan\u00a0Mol", ["Jan", "Mol"]),
        ("Jan\r\nMol", ["Jan", "Mol"]),
        ("Utrecht/Zeist", ["Utrecht", "/", "Zeist"]),
        ("...", [".", ".", "."]),
        ("Zu\u0308rich", ["Zu\u0308rich"]),
        ("Am\u00adster\u00addam", ["Am\u00adster\u00addam"]),
        ("½ liter", ["½", "liter"]),
        ("東京 大", ["東", "京", "大"]),
        ("สวย", ["ส", "ว", "ย"]),
        ("ที่", ["ที่"]),
        ("محمد، هنا", ["محمد", "،", "هنا"]),
        ("हिन्दी", ["हिन्दी"]),
        ("👩\u200d👧 Eva", ["👩\u200d👧", "Eva"]),
        ("👍🏽 Eva", ["👍🏽", "Eva"]),
        ("a\x00b", ["a", "b"]),
        ("\ufeffEva", ["Eva"]),
        ("iPhone東", ["iPhone", "東"]),
    ],
)
def test_words_are_runs_without_their_outer_marks(text, words):
    assert slices(text, words_of(text)) == words


def test_a_piece_that_spans_a_border_belongs_to_the_word_of_its_first_letter():
    text = "(Amsterdam)"
    tokens = words_of(text, [(0, 4), (4, 11)])
    assert tokens.word_index.tolist() == [0, 0]
    assert slices(text, tokens) == ["Amsterdam"]


def test_offsets_that_include_the_leading_space_are_trimmed():
    tokens = words_of("in Londen", [(0, 2), (2, 9)])
    assert tokens.offsets.tolist() == [[0, 2], [3, 9]]
    assert tokens.starts_word.tolist() == [True, True]


def test_a_token_of_white_space_alone_is_no_word():
    tokens = words_of("a  b", [(0, 1), (1, 3), (3, 4)])
    assert tokens.word_index.tolist() == [0, -1, 1]


def test_a_lone_word_start_on_the_space_is_the_first_piece_of_the_word():
    tokens = words_of("in Gent ", [(0, 2), (2, 3), (3, 7), (7, 8)], lone=[1, 3])
    assert tokens.word_index.tolist() == [0, 1, 1, -1]
    assert tokens.starts_word.tolist() == [True, True, False, False]
    assert tokens.offsets[1].tolist() == [3, 4]


def test_a_lone_word_start_at_the_end_claims_no_word_of_the_next_document():
    tokens = find_words(
        Text.join(["in ", "Gent"]),
        np.array([0, 1, 0], dtype=np.int32),
        np.array([[0, 2], [2, 3], [3, 7]]),
        np.array([0, 2, 3]),
        VOCABULARY,
    )
    assert tokens.word_index.tolist() == [0, -1, 1]


def test_pieces_that_share_one_han_character_make_one_word():
    tokens = words_of("京都", [(0, 1), (0, 1), (0, 1), (1, 2)])
    assert tokens.word_index.tolist() == [0, 0, 0, 1]


@given(st.text(max_size=60))
def test_word_offsets_are_in_order_apart_and_without_outer_white_space(text):
    tokens = words_of(text)
    offsets = tokens.word_offsets
    assert (offsets[:, 0] < offsets[:, 1]).all()
    assert (offsets[1:, 0] >= offsets[:-1, 1]).all()
    assert all(word == word.strip() for word in slices(text, tokens))
