"""What one step computes: in half precision throughout, at positions as the recipe draws them."""

import numpy as np
import pytest
import torch

from spark_entities import ModelOptions
from spark_entities.jobs.training.examples import make_examples
from spark_entities.jobs.training.loss import PartialLabelLoss
from spark_entities.jobs.training.network import keep_half_precision, load_trainee
from spark_entities.jobs.training.recipe import Corpus, Recipe, Training
from spark_entities.jobs.training.steps import Process, Stepper, make_optimizer
from spark_entities.jobs.training.texts import LabelSets, TaggedText
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.positions import PACKING_FAMILIES
from tests.support.networks import make_network

IDS = torch.arange(24).view(2, 12) + 3
MASK = torch.tensor([[1] * 12, [1] * 5 + [0] * 7])


@pytest.mark.parametrize("family", sorted(PACKING_FAMILIES))
def test_under_autocast_layers_hand_on_half_precision_and_all_weights_are_learnt(family):
    network = make_network(family)
    network.set_attn_implementation("eager")
    keep_half_precision(network)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(input_ids=IDS, attention_mask=MASK, output_hidden_states=True)
        output.logits.sum().backward()
    assert {hidden.dtype for hidden in output.hidden_states[:-1]} == {torch.bfloat16}
    assert all(each.grad is not None for each in network.parameters())


@pytest.mark.parametrize("family", sorted(PACKING_FAMILIES))
def test_without_autocast_nothing_is_rounded(family):
    logits = []
    for keep in (lambda network: None, keep_half_precision):
        network = make_network(family)
        keep(network)
        logits.append(network(input_ids=IDS, attention_mask=MASK).logits)
    assert torch.equal(*logits)


def make_recipe(share):
    training = Training(shifted_positions=share, dropout=0)
    return Recipe(types=["PER"], corpora=[Corpus(file="x")], training=training)


def positions_of_steps(share, texts, num_steps):
    """Take steps on the bundled model, all texts in each, and return the positions given."""
    recipe = make_recipe(share)
    trainee = load_trainee(ModelOptions(), recipe, "cpu")
    tagged = [
        TaggedText(
            text=text, offsets=np.array([[0, 4]]), tags=("B-PER",), targets=np.zeros(1, np.int64)
        )
        for text in texts
    ]
    examples = make_examples(tagged, trainee.classifier)
    sets = LabelSets(labels=recipe.labels)
    sets.number(frozenset(["B-PER"]))
    stepper = Stepper(
        trainee=trainee,
        network=trainee.network,
        optimizer=make_optimizer(trainee, recipe.training),
        examples=examples,
        loss=PartialLabelLoss.of(sets, torch.device("cpu")),
        shifted_positions=share,
        seed=0,
        process=Process(),
    )
    given = []
    trainee.network.base_model.embeddings.register_forward_pre_hook(
        lambda _, __, settings: given.append(settings["position_ids"]), with_kwargs=True
    )
    for index in range(num_steps):
        stepper.take(index, np.arange(len(examples.window_lengths)))
    return given


def test_windows_are_shifted_as_often_as_the_recipe_says_and_stay_within_the_model():
    texts = ["Emma woont in Londen."] * 8
    starts = []
    for positions in positions_of_steps(0.5, texts, 8):
        assert (positions.diff(dim=1) == 1).all()
        assert positions.min() >= 2  # RoBERTa counts from pad_token_id + 1
        assert positions.max() < 514
        starts += positions[:, 0].tolist()
    assert 20 <= starts.count(2) <= 44  # of 64
    assert max(starts) > 256


def test_a_window_as_long_as_the_model_takes_is_not_shifted():
    (positions,) = positions_of_steps(1.0, ["Emma " * 600], 1)
    assert positions.shape[1] == 512
    assert (positions[:, 0] == 2).all()


def test_without_shifts_the_model_counts_positions_itself():
    assert positions_of_steps(0.0, ["Emma woont in Londen."], 1) == [None]


def test_a_model_that_was_not_tried_with_given_positions_is_refused(monkeypatch):
    monkeypatch.setattr("spark_entities.jobs.training.network.untried", lambda _: "of its own")
    with pytest.raises(ConfigError, match=r"shifted_positions=0\.5: models of type xlm-roberta"):
        load_trainee(ModelOptions(), make_recipe(0.5), "cpu")
