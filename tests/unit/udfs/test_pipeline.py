from tests.support.scripted import make_classifier

SCRIPT = {"j": "B-PER", "m": "I-PER", "l": "B-LOC"}


def test_one_bad_document_costs_no_other(caplog):
    rows = make_classifier(SCRIPT, poison="z").classify(["j", "z j", None, "l", "l"]).to_pylist()
    assert [row["error"] for row in rows] == [
        None,
        "RuntimeError while classifying",
        None,
        None,
        None,
    ]
    assert rows[1]["entities"] is None
    assert [len(row["entities"]) for row in (rows[0], rows[3], rows[4])] == [1, 1, 1]
    assert "secret" not in caplog.text


def test_buffers_come_back_in_order():
    buffers = [["j"], ["x", "l"], [None], ["m"]]
    results = list(make_classifier(SCRIPT).classify_buffers(buffers))
    assert [len(result.rows) for result in results] == [1, 2, 1, 1]
    words = [
        [e["word"] for e in row["entities"] or []] for r in results for row in r.rows.to_pylist()
    ]
    assert words == [["j"], [], ["l"], [], ["m"]]


def test_equal_texts_of_a_buffer_are_classified_once():
    classifier = make_classifier(SCRIPT)
    texts = ["j a", None, "p", "j a", "", None, "j a"]
    rows = classifier.classify(texts).to_pylist()
    assert sum(shape[0] for shape in classifier.model.network.shapes) == 2
    assert rows == [make_classifier(SCRIPT).classify([text])[0].as_py() for text in texts]


def test_a_text_that_fails_is_an_error_in_each_row_that_has_it():
    rows = make_classifier(SCRIPT, poison="z").classify(["z", "j", "z"]).to_pylist()
    assert [row["error"] is not None for row in rows] == [True, False, True]


def test_the_cost_of_halves_that_went_through_is_counted():
    classifier = make_classifier(SCRIPT, poison="z")
    [result] = classifier.classify_buffers([["j m", "l", "z", "j m l"]])
    assert result.cost.num_model_tokens == 4 + 3 + 5  # those of `z` are nobody's
