"""GELU in the linear layer before it gives what the two give, as near as its tanh form is."""

import pytest
import torch

from spark_entities.udfs import model as module
from spark_entities.udfs.activation import LinearGelu, fuse_gelu
from spark_entities.udfs.model import load_model
from spark_entities.udfs.options import ModelOptions


def test_a_fused_layer_is_the_layer_and_gelu():
    torch.manual_seed(0)
    linear = torch.nn.Linear(16, 64)
    hidden = torch.randn(2, 9, 16) * 4
    expected = torch.nn.functional.gelu(linear(hidden))
    actual = LinearGelu(linear)(hidden)
    assert actual.shape == (2, 9, 64)
    torch.testing.assert_close(actual, expected, atol=1e-3, rtol=0)


def test_every_layer_of_a_network_is_fused(checkpoint):
    network = load_model(ModelOptions(name=str(checkpoint), precision="float32"), "cpu").network
    ids = torch.arange(20)[None] % 15 + 4
    with torch.inference_mode():
        expected = network(input_ids=ids).logits
        fuse_gelu(network)
        actual = network(input_ids=ids).logits
    fused = [each for each in network.modules() if isinstance(each, LinearGelu)]
    assert len(fused) == network.config.num_hidden_layers
    torch.testing.assert_close(actual, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_networks_on_a_cpu_are_left_alone(monkeypatch, checkpoint, precision):
    monkeypatch.setattr(module, "fuse_gelu", lambda _: pytest.fail("fused"))
    load_model(ModelOptions(name=str(checkpoint), precision=precision), "cpu")
