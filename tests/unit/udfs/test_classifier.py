import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.errors import ConfigError
from tests.support.scripted import LABELS, found, make_classifier

SCRIPT = {"j": "B-PER", "##j": "I-PER", "m": "I-PER", "l": "B-LOC", "k": "I-LOC"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x j m x", [("j m", "PER")]),
        ("j j m", [("j", "PER"), ("j m", "PER")]),
        ("m l k.", [("m", "PER"), ("l k", "LOC")]),
        ("x (l) x", [("l", "LOC")]),
        ("jxx m", [("jxx m", "PER")]),
        ("xj", []),
        ("", []),
        (" \n", []),
    ],
)
def test_the_first_piece_of_a_word_decides(text, expected):
    assert found(make_classifier(SCRIPT), text) == expected


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("none", [("j", "B-PER"), ("j", "I-PER")]),
        ("simple", [("j", "PER"), ("j", "PER")]),
        ("first", [("jxxj", "PER")]),
        ("average", []),
        ("max", [("jxxj", "PER")]),
    ],
)
def test_strategies_differ_where_the_pieces_of_a_word_differ(strategy, expected):
    assert found(make_classifier(SCRIPT, aggregation_strategy=strategy), "jxxj ab") == expected


def test_average_takes_the_label_with_the_highest_mean_probability():
    script = {"a": "B-PER", "##b": "B-LOC", "##c": "B-LOC"}
    assert found(make_classifier(script, aggregation_strategy="average"), "abc") == [("abc", "LOC")]


def test_max_takes_the_label_of_the_surest_piece():
    classifier = make_classifier({"a": "B-PER", "##b": "B-LOC"}, aggregation_strategy="max")
    surest = classifier.model.tokenizer.tokenizer.token_to_id("##b")
    classifier.model.network.logits[surest] *= 2
    assert found(classifier, "axb") == [("axb", "LOC")]


def test_the_score_of_an_entity_is_the_mean_of_its_words():
    row = make_classifier(SCRIPT).classify(["j m"])[0].as_py()
    # softmax of one 4 among five logits: e^4 / (e^4 + 4)
    assert row["entities"][0]["score"] == pytest.approx(0.93174, abs=1e-5)


def test_strategy_none_has_the_keys_and_the_index_of_the_pipeline():
    classifier = make_classifier(SCRIPT, aggregation_strategy="none")
    (entity,) = classifier.classify(["x l"])[0].as_py()["entities"]
    assert list(entity) == ["entity", "score", "index", "word", "start", "end"]
    assert (entity["index"], entity["start"], entity["end"]) == (2, 2, 3)


@pytest.mark.parametrize("stride", [0, 1, 3, 5])
@pytest.mark.parametrize("place", range(24))
def test_entity_that_crosses_a_window_edge_is_reported_once(place, stride):
    words = ["x"] * 24
    words[place : place + 3] = ["j", "m", "m"]
    classifier = make_classifier(SCRIPT, max_positions=10, stride=stride)
    assert found(classifier, " ".join(words)) == [("j m m", "PER")]


TEXTS = st.lists(st.text("jmlkx .(", max_size=40), min_size=1, max_size=8)


@given(TEXTS, st.integers(1, 8), st.integers(0, 7), st.integers(1, 60), st.integers(0, 8))
def test_a_result_depends_on_nothing_but_the_document(texts, window, stride, budget, turn):
    stride = min(stride, window - 1)
    whole = make_classifier(SCRIPT).classify(texts)
    cut = make_classifier(SCRIPT, max_window_tokens=window, stride=stride, max_padded_tokens=budget)
    turned = texts[turn:] + texts[:turn]
    turned_back = len(texts) - min(turn, len(texts))
    rows = cut.classify(turned).field("entities").to_pylist()
    assert rows[turned_back:] + rows[:turned_back] == whole.field("entities").to_pylist()


def test_null_and_blank_are_told_apart():
    null, empty, blank = make_classifier(SCRIPT).classify([None, "", " "]).to_pylist()
    assert null == {"entities": None, "error": None, "num_tokens": 0, "num_windows": 0}
    assert empty == blank == {"entities": [], "error": None, "num_tokens": 0, "num_windows": 0}


def test_no_texts_give_no_rows():
    assert len(make_classifier(SCRIPT).classify([])) == 0


def test_offsets_count_code_points():
    (entity,) = make_classifier(SCRIPT).classify(["👩\u200d👧 é j"])[0].as_py()["entities"]
    assert (entity["start"], entity["end"]) == (6, 7)


def test_a_lone_surrogate_does_not_stop_its_document():
    (entity,) = make_classifier(SCRIPT).classify(["\ud800 j"])[0].as_py()["entities"]
    assert (entity["word"], entity["start"]) == ("j", 2)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_score_that_is_no_finite_number_is_an_error_of_its_document(value):
    classifier = make_classifier(SCRIPT)
    classifier.model.network.logits[classifier.model.tokenizer.tokenizer.token_to_id("z"), 1] = (
        float(value)
    )
    good, bad = classifier.classify(["j", "z"]).to_pylist()
    assert good["error"] is None
    assert bad["error"] == "the model gave a score that is not a finite number"


def test_batches_keep_to_the_budget():
    classifier = make_classifier(SCRIPT, max_padded_tokens=12)
    result = next(iter(classifier.classify_buffers([["j m", "l", "j m l k", "x"]])))
    assert all(rows * width <= 12 for rows, width in classifier.model.network.shapes)
    assert result.cost.num_model_tokens == 4 + 3 + 6 + 3
    assert result.cost.num_padded_tokens == sum(r * w for r, w in classifier.model.network.shapes)


def test_parts_of_speech_give_one_element_a_word():
    plain = {0: "NOUN", 1: "VERB"}
    classifier = make_classifier({"a": "VERB", "b": "VERB"}, id2label=plain)
    assert found(classifier, "a b x") == [("a", "VERB"), ("b", "VERB"), ("x", "NOUN")]


def test_equal_neighbours_are_merged_when_asked():
    plain = {0: "NOUN", 1: "VERB"}
    script = {"a": "VERB", "b": "VERB"}
    classifier = make_classifier(script, id2label=plain, merge_plain_labels=True)
    assert found(classifier, "a b x x a") == [("a b", "VERB"), ("x x", "NOUN"), ("a", "VERB")]


def test_a_document_over_the_limit_gets_an_error_and_the_others_their_entities():
    classifier = make_classifier(SCRIPT, max_document_chars=4)
    rows = classifier.classify(["j", "x x j", "l x ", None]).to_pylist()
    reason = "longer than classify.max_document_chars=4 characters"
    assert [row["error"] for row in rows] == [None, reason, None, None]
    assert [row["entities"] is None for row in rows] == [False, True, False, True]


def test_a_stride_that_does_not_fit_the_model_is_refused():
    with pytest.raises(ConfigError, match=r"stride=8, window=8 tokens\. Set .* to 0\.\.7"):
        make_classifier(SCRIPT, id2label=LABELS, max_positions=10, stride=8)


@pytest.mark.parametrize(
    ("options", "kept", "left_out"),
    [
        ({"labels": ("LOC",)}, ["l"], 1),
        ({"labels": ("LOC",), "min_score": 0.95}, [], 2),
        ({"min_score": 0.9}, ["j m", "l"], 0),
        ({"min_score": {"LOC": 0.95}}, ["j m"], 1),
        ({"labels": ("LOC",), "aggregation_strategy": "none"}, ["l"], 2),
    ],
)
def test_entities_of_other_groups_and_of_low_scores_are_left_out_and_counted(
    options, kept, left_out
):
    classifier = make_classifier(SCRIPT, **options)  # all scores are 0.93
    rows = classifier.classify(["j m in l", None, "x"]).to_pylist()
    assert [entity["word"] for entity in rows[0]["entities"]] == kept
    assert [row["num_left_out"] for row in rows] == [left_out, 0, 0]


def test_nothing_is_counted_where_nothing_is_left_out():
    assert "num_left_out" not in make_classifier(SCRIPT).classify(["j"])[0].as_py()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": ()}, "classify.labels is empty"),
        ({"labels": ("PERS",)}, "classify.labels names 'PERS'.*groups: PER, LOC"),
        ({"min_score": -1.0}, "classify.min_score=-1.0"),
        ({"min_score": {"PER": 2.0}}, "classify.min_score.PER=2.0"),
        ({"min_score": {"NO": 0.5}}, "classify.min_score names 'NO'"),
    ],
)
def test_a_choice_of_entities_that_cannot_be_is_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        make_classifier(SCRIPT, **options)


def test_one_string_is_no_list_of_texts():
    with pytest.raises(ConfigError, match=r"texts is one string\. Give a list of them"):
        make_classifier(SCRIPT).classify("j m")


def test_a_model_may_be_given_by_its_name():
    assert found(TokenClassifier.load("bundled"), "Emma woont in Londen.")[0] == ("Emma", "PER")


@pytest.mark.parametrize("argument", ["model_options", "classify_options", "redact"])
def test_an_argument_of_another_type_is_refused(argument):
    with pytest.raises(ConfigError, match=f"{argument} is of type dict"):
        TokenClassifier.load(**{argument: {"stride": 64}})
