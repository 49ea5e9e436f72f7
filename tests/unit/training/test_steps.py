"""What one step computes: attention as transformers has it, positions as the recipe draws them."""

import numpy as np
import pytest
import torch

from spark_entities import ModelOptions
from spark_entities.jobs.training.attention import attend_without_copies
from spark_entities.jobs.training.examples import make_examples
from spark_entities.jobs.training.network import load_trainee
from spark_entities.jobs.training.recipe import Corpus, Recipe, Training
from spark_entities.jobs.training.steps import Process, Stepper, make_optimizer
from spark_entities.jobs.training.texts import TaggedText
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.positions import PACKING_FAMILIES
from tests.support.networks import make_network

IDS = torch.arange(24).view(2, 12) + 3
MASK = torch.tensor([[1] * 12, [1] * 5 + [0] * 7])


def networks(family, **settings):
    """Make two equal networks: one attends by transformers' eager attention, one as we do."""
    eager, ours = make_network(family, **settings), make_network(family, **settings)
    for network in (eager, ours):
        network.set_attn_implementation("eager")
    attend_without_copies(ours)
    return eager, ours


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("family", sorted(PACKING_FAMILIES))
def test_attention_in_training_is_that_of_transformers(family, dropped):
    logits = []
    for network in networks(family):
        network.train(dropped)
        torch.manual_seed(1)
        logits.append(network(input_ids=IDS, attention_mask=MASK).logits[MASK.bool()])
    torch.testing.assert_close(*logits)


def test_heads_that_share_keys_attend_as_those_of_transformers():
    pair = networks("eurobert", num_key_value_heads=2)
    torch.testing.assert_close(*(each(input_ids=IDS).logits for each in pair))


@pytest.mark.parametrize("family", sorted(PACKING_FAMILIES))
def test_under_autocast_all_weights_are_learnt(family):
    _, network = networks(family)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(input_ids=IDS, attention_mask=MASK).logits.sum().backward()
    assert all(each.grad is not None for each in network.parameters())


def test_under_autocast_layers_hand_on_half_precision():
    seen = {}
    for name, network in zip(("eager", "ours"), networks("xlm-roberta"), strict=True):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = network(input_ids=IDS, attention_mask=MASK, output_hidden_states=True)
        seen[name] = {hidden.dtype for hidden in output.hidden_states}
    assert seen == {"eager": {torch.float32}, "ours": {torch.bfloat16}}


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
    stepper = Stepper(
        trainee=trainee,
        network=trainee.network,
        optimizer=make_optimizer(trainee, recipe.training),
        examples=examples,
        allowed=torch.tensor([[False, True, False]]),
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
