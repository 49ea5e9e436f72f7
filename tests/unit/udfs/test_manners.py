from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForTokenClassification

from spark_entities.udfs import manners
from spark_entities.udfs.core.batching import Frame, TokenTypes
from spark_entities.udfs.errors import ModelLoadError
from spark_entities.udfs.manners import Manners, ask, forget

FRAME = Frame(prefix_ids=np.array([1]), suffix_ids=np.array([2, 3]), pad_token_id=0)
VOCABULARY = 40


def make_network() -> BertForTokenClassification:
    """A tiny network of 40 positions."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(
        vocab_size=VOCABULARY,
        intermediate_size=32,
        max_position_embeddings=40,
        initializer_range=0.5,
        **sizes,
    )
    return BertForTokenClassification(config).eval()


def ask_bert(change=None, max_positions=40, frame=FRAME) -> Manners:
    """Ask a tiny network whose forward is changed."""
    network = make_network()
    if change is not None:
        forward = network.forward
        network.forward = lambda input_ids, attention_mask=None, token_type_ids=None: change(
            forward, input_ids, attention_mask, token_type_ids
        )
    return ask(network, frame, max_positions, VOCABULARY)


def test_a_network_as_most_are_may_be_given_padding():
    assert ask_bert() == Manners(pads=True, heeds_types=False)


def test_a_network_in_which_padding_leaks_is_found_out():
    def leak(forward, ids, mask, types):
        output = forward(input_ids=ids, attention_mask=mask)
        output.logits += output.logits.mean(dim=1, keepdim=True)
        return output

    assert not ask_bert(leak).pads


@pytest.mark.parametrize("last", [0, 1])
def test_a_network_that_heeds_types_is_found_out(last):
    types = TokenTypes(prefix=np.array([0]), text=0, suffix=np.array([0, last]), padding=0)
    assert ask_bert(frame=replace(FRAME, types=types)).heeds_types == bool(last)


@pytest.mark.parametrize("way", ["for good", "at random"])
def test_a_network_that_says_otherwise_when_asked_again_is_refused(way):
    seen = []

    def change(forward, ids, mask, types):
        seen.append(ids.shape[1])
        output = forward(input_ids=ids, attention_mask=mask)
        short_before = min(seen[:-1], default=100) < 10
        if way == "at random" or (short_before and ids.shape[1] > 20):
            output.logits = output.logits + torch.randn_like(output.logits)
        return output

    with pytest.raises(ModelLoadError, match="says otherwise of the same text"):
        ask_bert(change)


@pytest.mark.parametrize("long", [1024, 20])
def test_a_window_that_is_too_long_is_found_out_at_load(monkeypatch, long):
    monkeypatch.setattr(manners, "_LONG", long)
    with pytest.raises(
        ModelLoadError, match=r"takes no window of 80 tokens \((Index|Runtime)Error\)"
    ):
        ask_bert(max_positions=80)


def test_a_network_of_many_positions_is_not_asked_about_the_last(monkeypatch):
    """Attention to 32,768 tokens takes minutes on a CPU."""
    monkeypatch.setattr(manners, "_LONG", 10)
    monkeypatch.setattr(manners, "_LONGEST", 30)
    lengths = []

    def change(forward, ids, mask, types):
        lengths.append(ids.shape[1])
        return forward(input_ids=ids, attention_mask=mask)

    ask_bert(change, max_positions=32_768)
    assert max(lengths) == 33


def test_a_network_begins_each_batch_with_the_attention_it_was_loaded_with():
    network = make_network()
    base, calls = network.base_model, []
    base.attention_type = "block_sparse"
    base.set_attention_type = calls.append
    forget(network)
    base.attention_type = "original_full"  # as BigBird does for good, at a short window
    network(input_ids=torch.tensor([[1, 5, 2]]))
    assert calls == ["block_sparse"]
