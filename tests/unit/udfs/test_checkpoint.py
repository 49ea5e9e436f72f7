import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CanineTokenizer

from spark_entities.udfs import model
from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.classifier import TokenClassifier
from spark_entities.udfs.errors import ConfigError, ModelLoadError
from spark_entities.udfs.model import load_model
from spark_entities.udfs.options import ClassifyOptions, ModelOptions
from spark_entities.udfs.positions import usable_positions
from spark_entities.udfs.precision import quantize


def rewrite_weights(folder: Path, change) -> None:
    path = folder / "model.safetensors"
    weights = change(load_file(path))
    save_file(weights, path, metadata={"format": "pt"})


def rewrite_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_checkpoint_says_what_it_is(checkpoint):
    seen = find_checkpoint(ModelOptions(name=str(checkpoint)))
    assert seen.scheme.groups == ("PER", "LOC")
    assert (seen.max_positions, seen.read_capacity()) == (32, 30)
    assert seen.identify().startswith(f"{checkpoint}@")
    assert len(seen.identify().rpartition("@")[2]) == 12


@pytest.mark.parametrize(
    ("config", "model_max_length", "expected"),
    [
        (
            {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1},
            1e30,
            512,
        ),
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, None, 512),
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 256, 256),
        ({"model_type": "t5"}, 1e30, 512),
        ({"model_type": "xlnet", "max_position_embeddings": -1}, 1024, 1024),
    ],
)
def test_usable_positions(config, model_max_length, expected):
    assert usable_positions(config, model_max_length) == expected


def test_a_folder_that_is_not_there_is_refused():
    with pytest.raises(ModelLoadError, match=r"model\.name='/no/model' is not a folder .* Give"):
        find_checkpoint(ModelOptions(name="/no/model"))


def test_weights_that_can_run_code_are_refused(checkpoint):
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match=r"no model\.safetensors.*save_pretrained\(\)"):
        find_checkpoint(ModelOptions(name=str(checkpoint)))


def test_a_checkpoint_without_a_head_is_refused(checkpoint):
    rewrite_weights(
        checkpoint, lambda w: {k: v for k, v in w.items() if not k.startswith("classifier.")}
    )
    with pytest.raises(ModelLoadError, match=r"no classifier head.*at random.*Give a checkpoint"):
        find_checkpoint(ModelOptions(name=str(checkpoint)))


def test_a_head_of_another_width_than_its_labels_is_refused(checkpoint):
    rewrite_config(checkpoint, id2label={0: "O", 1: "B-PER", 2: "I-PER"})
    with pytest.raises(ModelLoadError, match=r"names 3 labels, the classifier head has 5\. Mend"):
        find_checkpoint(ModelOptions(name=str(checkpoint)))


def test_a_checkpoint_without_labels_is_refused(checkpoint):
    rewrite_config(checkpoint, id2label=None)
    with pytest.raises(ModelLoadError, match="names no labels"):
        find_checkpoint(ModelOptions(name=str(checkpoint)))


@pytest.mark.parametrize(
    "id2label",
    [
        ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
        {"O": 0, "B-PER": 1, "I-PER": 2, "B-LOC": 3, "I-LOC": 4},
        {"0": "O", "1": None, "2": "I-PER", "3": "B-LOC", "4": "I-LOC"},
        {"1": "O", "2": "B-PER", "3": "I-PER", "4": "B-LOC", "5": "I-LOC"},
        "O",
    ],
    ids=["a list", "swapped", "a null", "from 1", "a text"],
)
def test_labels_in_another_form_are_refused(checkpoint, id2label):
    rewrite_config(checkpoint, id2label=id2label)
    with pytest.raises(ModelLoadError, match=r"does not name a label for each of 0, 1, 2 and so"):
        find_checkpoint(ModelOptions(name=str(checkpoint)))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"max_position_embeddings": "514"}, "max_position_embeddings='514' is not a number"),
        ({"max_position_embeddings": True}, "max_position_embeddings=True is not a number"),
        ({"pad_token_id": None}, "pad_token_id=None is not a number"),
        ({"max_position_embeddings": 2}, "leave 0 tokens for a window"),
    ],
)
def test_limits_that_are_no_numbers_are_refused(checkpoint, values, reason):
    rewrite_config(checkpoint, **values)
    with pytest.raises(ModelLoadError, match=f"{reason}.*Mend"):
        find_checkpoint(ModelOptions(name=str(checkpoint)))


@pytest.mark.parametrize("limit", ["512", -5, float("nan"), [512]])
def test_a_tokenizer_without_a_usable_limit_is_refused(checkpoint, limit):
    path = checkpoint / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": limit}))
    with pytest.raises(ModelLoadError, match="model_max_length"):
        find_checkpoint(ModelOptions(name=str(checkpoint)))


def test_a_tokenizer_that_was_cut_off_is_refused(checkpoint):
    path = checkpoint / "tokenizer.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(ModelLoadError, match=r"tokenizer\.json is not a tokenizer\. Copy it again"):
        find_checkpoint(ModelOptions(name=str(checkpoint))).read_capacity()


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(ModelLoadError, match=r"has no config\.json"):
        find_checkpoint(ModelOptions(name=str(tmp_path)))


def test_a_broken_weight_file_is_refused(checkpoint):
    (checkpoint / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ModelLoadError, match="cannot be read as safetensors"):
        find_checkpoint(ModelOptions(name=str(checkpoint)))


def test_a_missing_layer_is_refused_when_loaded(checkpoint):
    missing = "roberta.encoder.layer.0.output.dense.weight"
    rewrite_weights(checkpoint, lambda w: {k: v for k, v in w.items() if k != missing})
    with pytest.raises(ModelLoadError, match=f"missing weights \\['{missing}'\\]"):
        load_model(ModelOptions(name=str(checkpoint)))


def test_a_weight_of_another_shape_is_refused_when_loaded(checkpoint):
    name = "roberta.encoder.layer.0.output.dense.bias"
    rewrite_weights(checkpoint, lambda w: w | {name: torch.zeros(3)})
    with pytest.raises(ModelLoadError, match=f"another shape \\['{name}'\\]"):
        load_model(ModelOptions(name=str(checkpoint)))


def test_a_slow_tokenizer_is_refused_with_the_reason(checkpoint):
    for path in checkpoint.glob("tokenizer*"):
        path.unlink()
    CanineTokenizer().save_pretrained(checkpoint)
    with pytest.raises(ModelLoadError, match="slow tokenizer, which gives no character offsets"):
        load_model(ModelOptions(name=str(checkpoint)))


def test_a_loaded_model_knows_its_window_and_its_special_tokens(checkpoint):
    model = load_model(ModelOptions(name=str(checkpoint), precision="float32"))
    assert model.capacity == 30
    assert (model.frame.prefix_ids.tolist(), model.frame.suffix_ids.tolist()) == ([0], [2])
    assert model.frame.pad_token_id == model.tokenizer.tokenizer.token_to_id("<pad>")
    assert model.network.dtype == torch.float32
    assert not model.network.training


def test_typed_special_tokens_are_text(checkpoint):
    model = load_model(ModelOptions(name=str(checkpoint)))
    special = [model.tokenizer.tokenizer.token_to_id(token) for token in ("<s>", "<pad>", "</s>")]
    unknown = model.tokenizer.tokenizer.token_to_id("<unk>")
    assert model.vocabulary.text_ids[special].tolist() == [unknown] * 3


def test_int8_multiplies_in_integers_and_says_much_the_same(checkpoint):
    exact, rough = (
        load_model(ModelOptions(name=str(checkpoint), precision=precision), "cpu").network
        for precision in ("float32", "int8")
    )
    kinds = {type(module).__module__ for module in rough.modules()}
    assert "torch.ao.nn.quantized.dynamic.modules.linear" in kinds
    input_ids = torch.arange(4, 20).reshape(2, 8)
    with torch.inference_mode():
        difference = rough(input_ids=input_ids).logits - exact(input_ids=input_ids).logits
        assert 0 < difference.abs().max() < 0.1 * exact(input_ids=input_ids).logits.abs().max()


@pytest.mark.parametrize("bias", [True, False])
def test_a_token_of_large_numbers_leaves_the_others_exact_in_int8(bias):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(64, 16, bias=bias))
    rows = torch.randn(2, 8, 64)
    rows[0, 0] *= 10_000
    rows[1, 1] = 0
    with torch.inference_mode():
        exact = network(rows)
        quantize(network)
        error = (network(rows) - exact).norm(dim=-1) / exact.norm(dim=-1).clamp_min(1)
    assert 0 < error.max() < 0.03


def test_int8_is_refused_where_there_is_no_cpu(checkpoint):
    with pytest.raises(ModelLoadError, match=r"model\.precision='int8' runs on a CPU, not on meta"):
        load_model(ModelOptions(name=str(checkpoint), precision="int8"), "meta")


def test_weights_are_known_by_their_digest(checkpoint):
    weights = checkpoint / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    options = ModelOptions(name=str(checkpoint), sha256=digest)
    assert find_checkpoint(options).digest() == digest
    load_model(options)

    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    load_model(ModelOptions(name=str(checkpoint)))  # it loads without a word
    for load in (find_checkpoint, load_model):
        with pytest.raises(ModelLoadError, match=f"model.sha256={digest}, but the weights in"):
            load(options)


def test_weights_in_several_files_have_the_digest_of_their_digests(checkpoint):
    weights = checkpoint / "model.safetensors"
    rest = load_file(weights)
    head = {name: rest.pop(name) for name in list(rest) if name.startswith("classifier.")}
    weights.unlink()
    save_file(head, checkpoint / "model-1.safetensors")
    save_file(rest, checkpoint / "model-2.safetensors")
    places = dict.fromkeys(head, "model-1.safetensors")
    places |= dict.fromkeys(rest, "model-2.safetensors")
    index = checkpoint / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    parts = [(checkpoint / f"model-{part}.safetensors").read_bytes() for part in (1, 2)]
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    found = find_checkpoint(ModelOptions(name=str(checkpoint)))
    assert found.digest() == hashlib.sha256(digests).hexdigest()
    load_model(found.options)


def test_labels_that_a_checkpoint_leaves_out_are_named_as_transformers_does(checkpoint):
    rewrite_config(checkpoint, id2label=None, label2id=None)
    config = json.loads((checkpoint / "config.json").read_text())
    del config["id2label"], config["label2id"]
    (checkpoint / "config.json").write_text(json.dumps(config))
    head = "classifier.weight", "classifier.bias"
    rewrite_weights(checkpoint, lambda w: w | {name: w[name][:2].clone() for name in head})
    options = ModelOptions(name=str(checkpoint))
    assert find_checkpoint(options).scheme.groups == ("LABEL_0", "LABEL_1")
    classifier = TokenClassifier.load(options, ClassifyOptions(stride=4), "cpu")
    [row] = classifier.classify(["ab"]).to_pylist()
    assert row["entities"][0]["entity_group"] in ("LABEL_0", "LABEL_1")


@pytest.mark.parametrize("task", ["SequenceClassification", "MaskedLM"])
def test_a_model_of_another_task_is_refused(checkpoint, task):
    rewrite_config(checkpoint, architectures=[f"XLMRobertaFor{task}"])
    with pytest.raises(ModelLoadError, match=f"is XLMRobertaFor{task} .* of another task"):
        find_checkpoint(ModelOptions(name=str(checkpoint)))


@pytest.mark.fault("infinite weights", "in the head of a checkpoint")
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_weights_that_are_no_numbers_are_the_error_of_each_document(checkpoint, value):
    rewrite_weights(checkpoint, lambda w: w | {"classifier.weight": w["classifier.weight"] * value})
    model = ModelOptions(name=str(checkpoint))
    classifier = TokenClassifier.load(model, ClassifyOptions(stride=4), "cpu")
    rows = classifier.classify(["ab", "ba"]).to_pylist()
    assert [row["error"] for row in rows] == [
        "the model gave a score that is not a finite number"
    ] * 2
    assert [row["entities"] for row in rows] == [None, None]


@pytest.mark.fault("weights that lie elsewhere", "an index that names other files, beside a decoy")
@pytest.mark.parametrize("place", ["../other", "below/other", "absolute", "none", ""])
def test_weights_lie_in_the_folder_itself(checkpoint, place):
    """What is digested is what is loaded: no index leads to another file."""
    weights = checkpoint / "model.safetensors"
    names = [*load_file(weights)]
    for other in ("../other.safetensors", "below/other.safetensors"):
        (checkpoint / other).parent.mkdir(exist_ok=True)
        shutil.copy(weights, checkpoint / other)
    weights.rename(checkpoint / "decoy.safetensors")
    other = checkpoint.parent / "other" if place == "absolute" else place
    places = dict.fromkeys(names, f"{other}.safetensors") if place else {}
    index = checkpoint / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    for load in (find_checkpoint, load_model):
        with pytest.raises(ModelLoadError, match="does not name files beside it alone"):
            load(ModelOptions(name=str(checkpoint)))


@pytest.mark.fault("weights that lie elsewhere", "a key or a file that leads to others")
@pytest.mark.parametrize("what", ["transformers_weights", "adapter_config.json"])
def test_a_folder_that_leads_to_other_weights_is_refused(checkpoint, what):
    if what == "transformers_weights":
        rewrite_config(checkpoint, transformers_weights="below/other.safetensors")
    else:
        (checkpoint / what).write_text("{}")
    with pytest.raises(ModelLoadError, match=f"has {what}.*merge it"):
        find_checkpoint(ModelOptions(name=str(checkpoint)))


@pytest.mark.fault("weights that change", "another file is put in their place while they are read")
def test_weights_that_are_changed_while_they_are_loaded_are_refused(checkpoint, monkeypatch):
    """Another file is put in their place, and taken away again when it was read."""
    weights, good = checkpoint / "model.safetensors", checkpoint.parent / "good"
    read = model.read_network

    def read_another(*given, **settings):
        weights.rename(good)
        save_file(load_file(good), weights, metadata={"format": "pt"})
        network = read(*given, **settings)
        good.replace(weights)
        return network

    monkeypatch.setattr(model, "read_network", read_another)
    with pytest.raises(ModelLoadError, match="were changed while they were loaded"):
        load_model(ModelOptions(name=str(checkpoint)))


def test_what_is_no_digest_is_refused():
    with pytest.raises(ConfigError, match=r"model\.sha256='abc' is no SHA-256"):
        ModelOptions(sha256="abc")
