import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.errors import ModelLoadError
from spark_entities.udfs.frames import check_ids, read_frame
from spark_entities.udfs.model import load_model
from spark_entities.udfs.options import ModelOptions


def make_tokenizer(*pieces: str, single: str = "[A] $A:1 [B]:2 [A]:2") -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({piece: index for index, piece in enumerate(pieces)}))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["[A]", "[B]"])
    numbers = [(name, tokenizer.token_to_id(name)) for name in ("[A]", "[B]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=None, special_tokens=numbers
    )
    return tokenizer


@pytest.mark.parametrize("pieces", [("a", "b"), ("ж", "я"), ("x",)])
def test_a_frame_is_found_by_a_text_that_the_tokenizer_knows(pieces):
    first = len(pieces)
    frame = read_frame(make_tokenizer(*pieces), pad_token_id=9, pad_type_id=3)
    assert frame.prefix_ids.tolist() == [first]
    assert frame.suffix_ids.tolist() == [first + 1, first]
    assert frame.pad_token_id == 9
    assert (frame.types.prefix.tolist(), frame.types.text) == ([0], 1)
    assert (frame.types.suffix.tolist(), frame.types.padding) == ([2, 2], 3)


def test_a_tokenizer_of_no_text_is_refused():
    with pytest.raises(ModelLoadError, match="makes tokens of none of its own pieces"):
        read_frame(make_tokenizer("two words"))


def test_ids_beyond_the_embeddings_are_refused():
    tokenizer = make_tokenizer("a", "b")
    frame = read_frame(tokenizer)
    check_ids(tokenizer, frame, 4)
    with pytest.raises(ModelLoadError, match="ids up to 3, and the network has embeddings of 3"):
        check_ids(tokenizer, frame, 3)
    tokenizer.add_special_tokens(["[NEVER]"])  # no text is made of it
    check_ids(tokenizer, frame, 4)
    tokenizer.add_tokens([AddedToken("word")])
    with pytest.raises(ModelLoadError, match="ids up to 5"):
        check_ids(tokenizer, frame, 4)


@pytest.mark.parametrize(
    "look",
    [lambda options: find_checkpoint(options).read_capacity(), lambda options: load_model(options)],
    ids=["driver", "worker"],
)
def test_driver_and_worker_refuse_alike(checkpoint, look):
    path = checkpoint / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.add_tokens(["Ede"])
    tokenizer.save(str(path))
    with pytest.raises(ModelLoadError, match="the tokenizer gives ids up to"):
        look(ModelOptions(name=str(checkpoint)))
