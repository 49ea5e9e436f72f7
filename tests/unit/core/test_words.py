import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_entities.udfs.core.records import Tokens, Vocabulary
from spark_entities.udfs.core.text import Text
from spark_entities.udfs.core.words import find_words

_PLAIN, _LONE, _CONTINUES = range(3)
VOCABULARY = Vocabulary(  # of three pieces: the second is a word start alone, the third goes on
    text_ids=np.arange(3, dtype=np.int32),
    continuation_ids=np.array([False, False, True]),
    word_start_ids=np.array([False, True, False]),
)


def words_of(
    text: str,
    pieces: list[tuple[int, int]] | None = None,
    kinds: dict[int, int] | None = None,
) -> Tokens:
    """Find words with one token a character that is not white space, unless pieces are given.

    `kinds`: of the pieces that are no plain ones.
    """
    if pieces is None:
        pieces = [(i, i + 1) for i, character in enumerate(text) if not character.isspace()]
    return find_words(
        Text.join([text]),
        np.array([(kinds or {}).get(i, _PLAIN) for i in range(len(pieces))], dtype=np.int32),
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
        ("Am\x02ster\x7fdam", ["Am\x02ster\x7fdam"]),
        ("a\x00b\x0bc\x1cd\x85e\x93f", ["a", "b", "c", "d", "e", "f"]),
        ("\x02Eva \x02\x02 Mol\x02, a.\x02b", ["Eva", "Mol", ",", "a", ".", "b"]),
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


@pytest.mark.parametrize(
    ("text", "pieces", "words"),
    [
        ("Em\u200bma zag", [(0, 5), (6, 9)], ["Em\u200bma", "zag"]),
        ("Em\ufffdma.", [(0, 5), (5, 6)], ["Em\ufffdma", "."]),
        ("in B站, A", [(0, 2), (3, 5), (5, 6), (7, 8)], ["in", "B站", ",", "A"]),
        ("2010年 in", [(0, 5), (6, 8)], ["2010年", "in"]),
        ("New York.", [(0, 8), (8, 9)], ["New York", "."]),
        ("naar A/Bo", [(0, 4), (5, 8), (8, 9)], ["naar", "A", "Bo"]),
        ("A/e\u0301 b", [(0, 3), (5, 6)], ["A/e\u0301", "b"]),
    ],
)
def test_a_word_reaches_to_the_last_letter_of_its_pieces_and_not_into_the_next(text, pieces, words):
    assert slices(text, words_of(text, pieces)) == words


@pytest.mark.parametrize("unseen", ["\x02", "\x1c\x02", "\u200b", "\ufeff", "\u200e", "\ufffd"])
def test_a_continuation_goes_on_over_what_the_tokenizer_has_dropped(unseen):
    text = f"Amster{unseen}dam ##in"
    end = len(text)
    pieces = [(0, 6), (end - 8, end - 5), (end - 4, end)]
    tokens = words_of(text, pieces, {1: _CONTINUES, 2: _CONTINUES})
    assert slices(text, tokens) == [f"Amster{unseen}dam", "in"]


def test_a_continuation_never_goes_on_with_another_document():
    for texts in (["\u200bdam"], ["Amster", "\u200bdam"], ["Amster\u200b", "dam"]):
        text = Text.join(texts)
        end = int(text.row_splits[-1])
        pieces = [(0, 6), (end - 3, end)][-len(texts) :]
        ids = np.array([_PLAIN, _CONTINUES][-len(texts) :], dtype=np.int32)
        tokens = find_words(text, ids, np.array(pieces), np.arange(len(texts) + 1), VOCABULARY)
        assert tokens.word_index.tolist() == [*range(len(texts))]


def test_offsets_that_include_the_leading_space_are_trimmed():
    tokens = words_of("in Londen", [(0, 2), (2, 9)])
    assert tokens.offsets.tolist() == [[0, 2], [3, 9]]
    assert tokens.starts_word.tolist() == [True, True]


def test_a_token_of_white_space_alone_is_no_word():
    tokens = words_of("a  b", [(0, 1), (1, 3), (3, 4)])
    assert tokens.word_index.tolist() == [0, -1, 1]


def test_a_lone_word_start_on_the_space_is_the_first_piece_of_the_word():
    tokens = words_of("in Gent ", [(0, 2), (2, 3), (3, 7), (7, 8)], {1: _LONE, 3: _LONE})
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
