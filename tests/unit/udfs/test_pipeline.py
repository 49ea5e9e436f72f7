import threading
from dataclasses import replace

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from spark_entities.udfs import sizes
from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.core.tokenization import ChunkTokenizer
from spark_entities.udfs.forward import Launched
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


def test_a_panic_of_the_tokenizer_costs_its_document_only():
    tokenizer = Tokenizer(models.WordPiece({"<unk>": 0, "j": 1}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex("$"), " "), normalizers.NFC()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    with pytest.raises(BaseException, match=r".") as panic:
        tokenizer.encode("\n\n")
    assert not isinstance(panic.value, Exception)
    scripted = make_classifier({"j": "B-PER"})
    model = replace(scripted.model, tokenizer=ChunkTokenizer(tokenizer))
    rows = replace(scripted, model=model).classify(["j", "\n\n", "j"]).to_pylist()
    assert [row["error"] for row in rows] == [None, "PanicException while classifying", None]


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_whoever_ends_the_program_is_not_held_up_by_documents(ending, monkeypatch):
    classifier = make_classifier(SCRIPT, poison="z")
    classifier.model.network.poison = ending()
    with pytest.raises(ending):
        classifier.classify(["j", "z"])


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


def test_the_next_buffer_is_on_the_device_before_a_buffer_is_waited_for(monkeypatch):
    """Each waits until the one after it was launched, so a pipeline that waits first would fail."""
    launches = [threading.Event() for _ in range(5)]
    launch, collect = TokenClassifier.launch, Launched.collect
    begun, ended = iter(launches), iter(launches[1:])

    def launch_and_tell(self, encoding):
        launched = launch(self, encoding)
        next(begun).set()
        return launched

    def collect_after_the_next(self):
        following = next(ended, None)
        assert following is None or following.wait(30)
        return collect(self)

    monkeypatch.setattr(TokenClassifier, "launch", launch_and_tell)
    monkeypatch.setattr(Launched, "collect", collect_after_the_next)
    rows = [*make_classifier(SCRIPT).classify_buffers([["j"], ["l"], ["m"], ["x"], ["j l"]])]
    assert [len(each.rows[0].as_py()["entities"]) for each in rows] == [1, 1, 1, 0, 2]


def test_several_encoders_keep_the_order(monkeypatch):
    monkeypatch.setitem(sizes._PADDED, "cpu", replace(sizes._PADDED["cpu"], encoders=3))
    first_waits = threading.Event()
    encode = TokenClassifier.encode

    def encode_the_first_last(self, texts):
        if texts == ["j"]:
            assert first_waits.wait(30)
        elif texts == ["l"]:
            first_waits.set()
        return encode(self, texts)

    monkeypatch.setattr(TokenClassifier, "encode", encode_the_first_last)
    rows = [*make_classifier(SCRIPT).classify_buffers([["j"], ["l"], ["m"], ["x"], ["j l"]])]
    assert [len(each.rows[0].as_py()["entities"]) for each in rows] == [1, 1, 1, 0, 2]
