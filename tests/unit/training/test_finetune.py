import json
import math
import random
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from spark_entities import ClassifyOptions, ModelOptions, TokenClassifier
from spark_entities.jobs.finetune import finetune, main
from spark_entities.jobs.training import loop, steps
from spark_entities.jobs.training.card import CorpusSize, Outcome, write_card
from spark_entities.jobs.training.examples import lay_out_step, make_examples, plan_epoch
from spark_entities.jobs.training.loss import PartialLabelLoss
from spark_entities.jobs.training.recipe import Corpus, Energy, Recipe, Training
from spark_entities.jobs.training.state import DevelopmentScores, Progress
from spark_entities.jobs.training.texts import (
    LabelSets,
    TaggedText,
    allowed_labels,
    read_texts,
    valid_labels,
)
from spark_entities.udfs.errors import ConfigError
from tests.support.families import FAMILIES, make_checkpoint

LABELS = ["O", "B-PER", "I-PER", "B-MISC", "I-MISC"]
CORPUS = Corpus(file="x", missing=["MISC"], rename={"PROD": "MISC"})
SECRET = "Geheimhoven"

LEXICON = {"PER": ["Ann", "Bo", "Cas", "Dirk"], "O": ["ziet", "hoort", "roept", "zoekt", "niets"]}


def write_corpus(path, count=60, seed=0):
    """Write sentences of a name, a verb, and a name or a word."""
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        kinds = ["PER", "O", rng.choice(["PER", "O"])]
        tags = {"PER": "B-PER", "O": "O"}
        lines += [*(f"{rng.choice(LEXICON[kind])}\t{tags[kind]}" for kind in kinds), ""]
    path.write_text("\n".join(lines))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Corpora and a tiny base model."""
    made = tmp_path_factory.mktemp("training")
    write_corpus(made / "train.tsv")
    write_corpus(made / "dev.tsv", count=12, seed=1)
    make_checkpoint("WordPiece uncased", made / "base")
    return made


def make_recipe(**training):
    settings = {
        "epochs": 3,
        "max_padded_tokens": 64,
        "learning_rate": 5e-3,
        "head_learning_rate": 1e-2,
        "checkpoint_steps": 4,
        **training,
    }
    return Recipe(
        types=["PER"],
        corpora=[Corpus(file="train.tsv", licence="CC0")],
        development=[Corpus(file="dev.tsv")],
        training=Training(**settings),
    )


@pytest.mark.parametrize(
    ("tag", "corpus", "allowed"),
    [
        ("O", CORPUS, {"O", "B-MISC", "I-MISC"}),
        ("B-PER", CORPUS, {"B-PER"}),
        ("B-PROD", CORPUS, {"B-MISC"}),
        ("B-EVT", CORPUS, {"O", "B-MISC", "I-MISC"}),
        ("O", Corpus(file="x"), {"O"}),
        ("PROPN", Corpus(file="x", allow={"PROPN": ["PER"]}), {"B-PER", "I-PER"}),
        ("ADJ", Corpus(file="x", allow={"ADJ": ["O", "MISC"]}), {"O", "B-MISC", "I-MISC"}),
        ("VERB", Corpus(file="x", allow={"PROPN": ["PER"]}), {"O"}),
        ("capital O", Corpus(file="x", allow={"capital O": ["PER"]}), {"B-PER", "I-PER"}),
        ("lone capital O", Corpus(file="x", allow={"capital O": ["PER"]}), {"B-PER", "I-PER"}),
        ("capital B-PER", Corpus(file="x", allow={"capital O": ["MISC"]}), {"B-PER"}),
    ],
)
def test_a_tag_allows_these_labels(tag, corpus, allowed):
    assert allowed_labels(tag, corpus, LABELS) == allowed


def test_a_plain_tag_that_the_model_does_not_know_says_nothing():
    sets = LabelSets(labels=["NOUN", "VERB"])
    assert sets.number(allowed_labels("INTJ", Corpus(file="x"), sets.labels)) == 0
    assert sets.number(allowed_labels("VERB", Corpus(file="x"), sets.labels)) == 1
    assert sets.table().tolist() == [[True, True], [False, True]]


@pytest.mark.parametrize(
    ("allowed", "valid"),
    [
        (["O BI-PER", "O BI-PER"], ["O B-PER", "O BI-PER"]),
        (["O", "O BI-PER"], ["O", "O B-PER"]),
        (["O", "O I-PER", "O I-PER"], ["O", "O", "O"]),
        (["B-LOC", "O BI-PER I-LOC"], ["B-LOC", "O B-PER I-LOC"]),
        (["O", "I-PER", "I-PER"], ["O", "B-PER", "I-PER"]),
        (["B-LOC", "I-PER I-ORG", "I-ORG"], ["B-LOC", "B-PER B-ORG", "I-ORG"]),
    ],
)
def test_a_word_has_the_labels_that_may_stand_after_the_words_before_it(allowed, valid):
    def read(words):
        return [frozenset(w.replace("BI-PER", "B-PER I-PER").split()) for w in words]

    assert [*valid_labels(read(allowed))] == read(valid)


@pytest.mark.parametrize("seed", range(20))
def test_the_loss_sums_over_all_valid_sequences_of_labels(seed):
    def weight(label, after):
        if after[:2] == "B-":
            return 0.01 if after[2:] == label[2:] else 1.0  # a name begins where one ends
        return 1.0 if after[2:] in ("", label[2:]) else 0.0

    rng = np.random.default_rng(seed)
    sets = LabelSets(labels=LABELS)
    sentences = []
    for length in rng.integers(1, 6, 4):
        some = [frozenset(rng.choice(LABELS, rng.integers(1, 4))) for _ in range(length)]
        sentences.append([*valid_labels(some)])
    targets = torch.tensor([sets.number(labels) for some in sentences for labels in some])
    opens = torch.tensor([place == 0 for some in sentences for place in range(len(some))])
    logits = torch.from_numpy(rng.normal(size=(len(targets), len(LABELS)))).requires_grad_()
    expected, start = torch.zeros((), dtype=torch.float64), 0
    for some in sentences:
        shares = logits[start : start + len(some)].softmax(-1)
        total = torch.zeros((), dtype=torch.float64)
        for sequence in product(*map(sorted, some)):
            places = [LABELS.index(label) for label in sequence]
            weights = math.prod(weight(label, after) for label, after in pairwise(sequence))
            total = total + weights * shares[range(len(some)), places].prod()
        expected, start = expected - total.log(), start + len(some)
    loss = PartialLabelLoss.of(sets, torch.device("cpu"))(logits, targets, opens)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    (found,), (wanted,) = (torch.autograd.grad(value, logits) for value in (loss, expected))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


def test_the_loss_of_no_words_is_nothing_and_that_of_an_impossible_label_is_finite():
    sets = LabelSets(labels=["O", "B-PER", "I-PER"])
    numbers = [sets.number(frozenset([label])) for label in sets.labels]
    loss = PartialLabelLoss.of(sets, torch.device("cpu"))
    logits = torch.zeros(2, 3, requires_grad=True)
    nothing = loss(logits[:0], torch.tensor([], dtype=torch.int64), torch.tensor([]) > 0)
    assert nothing.item() == 0.0
    odd = loss(logits, torch.tensor([numbers[0], numbers[2]]), torch.tensor([True, False]))
    assert math.isfinite(odd.item())
    assert torch.autograd.grad(odd, logits)[0].isfinite().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_each_word_is_learnt_once_however_long_the_text(family, tmp_path):
    model = ModelOptions(name=str(make_checkpoint(family, tmp_path)), precision="float32")
    classifier = TokenClassifier.load(model, ClassifyOptions(stride=3, max_window_tokens=16), "cpu")
    words = ["Emma", "woont", "in", "'s-Gravenhage", ",", "(", "Londen", ")", "."] * 9
    text, offsets = "", []
    for word in words:
        offsets.append((len(text), len(text) + len(word)))
        text += f"{word} "
    tagged = TaggedText(
        text=text,
        offsets=np.array(offsets),
        tags=tuple(words),
        targets=np.arange(len(words)),
    )
    examples = make_examples([tagged, tagged], classifier)
    learnt = []
    for rows in plan_epoch(examples, 60, np.random.default_rng(0)):
        step = lay_out_step(examples, rows)
        assert step.input_ids.shape[1] <= 16 + examples.frame.num_special_tokens
        assert step.input_ids.size <= 60 or len(rows) == 1
        assert step.opens.sum() == len(rows)
        learnt += step.targets.tolist()
    assert sorted(learnt) == sorted([*range(len(words))] * 2)


def test_a_repeated_corpus_is_read_so_often_and_a_part_is_a_part(folder):
    sets = LabelSets(labels=["O", "B-PER", "I-PER"])

    def words(**settings):
        corpus = Corpus(file="train.tsv", **settings)
        texts = read_texts(corpus, folder, sets, Training(), random.Random(0))
        return sum(len(text.tags) for text in texts)

    assert words() == 180
    assert words(repeat=3) == 540
    assert words(part=(0.5, 0.75)) == 45


def test_words_are_in_texts_of_all_lengths_alike(folder):
    """Each time the length doubles, as many words again are in texts of that length."""
    corpus = Corpus(file="train.tsv", repeat=400)
    training = Training(max_sentences_per_text=15)
    texts = read_texts(corpus, folder, LabelSets(labels=["O"]), training, random.Random(0))
    lengths = [len(text.tags) // 3 for text in texts]
    assert max(lengths) == 15
    shares = [sum(n for n in lengths if n.bit_length() == bits) for bits in (1, 2, 3)]
    assert [share / sum(lengths) for share in shares] == pytest.approx([0.25] * 3, abs=0.06)


def test_a_word_that_is_no_name_is_outside_where_the_corpus_leaves_it_open(tmp_path):
    words = [("Mei", "O"), ("zag", "O"), ("Mei", "B-PER"), ("in", "O"), ("mei", "O"), ("Mei", "O")]
    (tmp_path / "x.tsv").write_text("\n".join(map("\t".join, words)))
    sets = LabelSets(labels=["O", "B-PER", "I-PER", "B-MISC", "I-MISC"])
    corpus = Corpus(file="x.tsv", allow={"O": ["O"], "capital O": ["O", "MISC"]})
    read = {
        words: read_texts(corpus, tmp_path, sets, Training(), random.Random(0), outside)[0].targets
        for words, outside in {"none": (), "some": {"Mei"}}.items()
    }
    allowed = [{*np.flatnonzero(row).tolist()} for row in sets.table()]
    assert [allowed[t] for t in read["none"]] == [{0}, {0}, {1}, {0}, {0}, {0, 3}]
    assert [allowed[t] for t in read["some"]] == [{0}, {0}, {1}, {0}, {0}, {0}]


def test_texts_of_a_broken_encoding_have_the_same_words_and_tags(tmp_path):
    (tmp_path / "x.tsv").write_text("België\tB-LOC\nen\tO\nCuraçao\tB-LOC\n")
    sets = LabelSets(labels=["O", "B-LOC", "I-LOC"])
    whole, broken = (
        read_texts(
            Corpus(file="x.tsv"),
            tmp_path,
            sets,
            Training(broken_encoding=share),
            random.Random(0),
        )[0]
        for share in (0, 1)
    )
    assert whole.text == "België en Curaçao"
    assert broken.text == "BelgiÃ« en CuraÃ§ao"
    assert [broken.text[start:end] for start, end in broken.offsets] == broken.text.split()
    assert broken.tags == whole.tags
    assert broken.targets.tolist() == whole.targets.tolist()


def test_a_quote_that_a_sentence_leaves_open_is_of_that_sentence_alone(tmp_path):
    (tmp_path / "x.tsv").write_text('"\tO\nJa\tO\n\nZij\tO\nzei\tO\n"\tO\nNee\tO\n"\tO\n')
    training, sets = Training(max_sentences_per_text=None), LabelSets(labels=["O"])
    (text,) = read_texts(Corpus(file="x.tsv"), tmp_path, sets, training, random.Random(0))
    assert text.text == '"Ja Zij zei "Nee"'


def test_the_best_weights_are_kept_and_patience_ends_the_run(folder, tmp_path, monkeypatch):
    scores, seen = iter([0.2, 0.9, 0.3, 0.9, 1.0]), []

    def score(trainee, texts, corpus):
        seen.append({k: v.clone() for k, v in trainee.network.state_dict().items()})
        return next(scores)

    monkeypatch.setattr(loop, "score_corpus", score)
    finetune(make_recipe(epochs=5, patience=2), folder, folder / "base", tmp_path / "model")
    assert len(seen) == 4
    written = load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.equal(written[name], weight.half()) for name, weight in seen[1].items())


@pytest.mark.parametrize("run", [1, 2])
def test_a_run_that_died_goes_on_to_the_very_weights_of_one_that_did_not(
    run, folder, tmp_path, monkeypatch
):
    recipe = make_recipe(dropout=0.2, averaged_runs=2)
    finetune(recipe, folder, folder / "base", tmp_path / "whole")

    take, taken, deaths = steps.Stepper.take, [], []

    def dies_at_step_10(self, index, rows):
        taken.append(index)
        if index == 10 and taken.count(10) == run and len(deaths) == 0:
            deaths.append(index)
            raise KeyboardInterrupt
        return take(self, index, rows)

    monkeypatch.setattr(steps.Stepper, "take", dies_at_step_10)
    with pytest.raises(KeyboardInterrupt):
        finetune(recipe, folder, folder / "base", tmp_path / "resumed")
    assert not (tmp_path / "resumed").exists()
    finetune(recipe, folder, folder / "base", tmp_path / "resumed")

    assert (taken.count(0), taken.count(8), taken.count(11)) == (2, 3, 2)
    weights = [
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "resumed")
    ]
    assert weights[0] == weights[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["resumed", "whole"]


def test_a_checkpoint_of_another_recipe_is_refused(folder, tmp_path, monkeypatch):
    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "copy_weights", dies)
    with pytest.raises(KeyboardInterrupt):
        finetune(make_recipe(), folder, folder / "base", tmp_path / "model")
    with pytest.raises(ConfigError, match="another recipe, base, corpora"):
        finetune(make_recipe(seed=1), folder, folder / "base", tmp_path / "model")


def test_seeds_decide_what_comes_out(folder, tmp_path):
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        finetune(make_recipe(epochs=1, seed=seed), folder, folder / "base", tmp_path / name)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] != weights[2]


def test_several_runs_have_seeds_that_follow_and_give_the_mean_of_their_weights(folder, tmp_path):
    base = tmp_path / "base"  # has a head already, which else begins by the seed
    finetune(make_recipe(epochs=1), folder, folder / "base", base)
    for name, seed, runs in [("both", 1, 2), ("first", 1, 1), ("second", 2, 1)]:
        recipe = make_recipe(epochs=1, seed=seed, averaged_runs=runs)
        finetune(recipe, folder, base, tmp_path / name)
    both, first, second = (
        load_file(tmp_path / name / "model.safetensors") for name in ("both", "first", "second")
    )
    apart = {name: (first[name].float() - second[name]).abs().max() for name in both}
    assert min(apart.values()) > 1e-3
    for name, weights in both.items():
        mean = (first[name].float() + second[name]) / 2
        torch.testing.assert_close(weights.float(), mean, atol=1e-3, rtol=2e-3)


def test_the_model_learns_and_is_a_checkpoint_that_the_engine_loads(folder, tmp_path):
    # Without development texts the last weights are taken, not the first that tag those well.
    recipe = make_recipe(epochs=30).model_copy(update={"development": []})
    finetune(recipe, folder, folder / "base", tmp_path / "model")
    classifier = TokenClassifier.load(ModelOptions(name=str(tmp_path / "model")), device="cpu")
    rows = classifier.classify(["Ann roept Bo"]).to_pylist()
    assert [entity["word"] for entity in rows[0]["entities"]] == ["Ann", "Bo"]
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| train.tsv | training, × 1 | 0–1 |" in card
    assert "Dirk" not in card


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"traning": {}}, "traning is an unknown key. Did you mean training?"),
        (
            {"training": {"epoch": 3}},
            "training.epoch is an unknown key. Did you mean training.epochs?",
        ),
        ({"training": {"epochs": 0}}, "training.epochs=0 is refused: Input should be greater than"),
        ({"corpora": [{"repeat": 2}]}, "corpora.0.file is missing. Set it."),
        ({"tags": ["NOUN"]}, "give either types"),
        ({"training": {"patience": 2}}, "training.patience=2 without development corpora"),
        ({"corpora": [{"file": "x", "part": [0.5, 0.5]}]}, "part=[0.5, 0.5] of x holds nothing"),
        ({"corpora": [{"file": "x", "missing": ["ORG"]}]}, "names ['ORG'], which the model does"),
        ({"corpora": [{"file": "absent.tsv"}]}, "absent.tsv cannot be read (No such"),
        ({"types": [], "tags": ["X"], "outside": ["mei"]}, "outside names words that are"),
        ({"development": [{"file": "x", "allow": {"X": ["O"]}}]}, "cannot be scored"),
        (None, "has no sections. Begin with 'corpora:'."),
    ],
)
def test_a_recipe_is_refused_with_its_key_and_the_fix(change, message, folder, tmp_path, capsys):
    content = {"types": ["PER"], "corpora": [{"file": "train.tsv"}]}
    path = tmp_path / "recipe.yaml"
    path.write_text("" if change is None else json.dumps({**content, **change}))
    arguments = ["--recipe", str(path), "--corpora", str(folder), "--base", str(folder / "base")]
    assert main([*arguments, "--output", str(tmp_path / "model")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--output", "{folder}", "stands already. Give a new folder, or delete it first."),
        ("--base", "{folder}/none", "is not a folder on this machine"),
        ("--corpora", "{folder}/none", "is no folder"),
        ("--recipe", "{folder}/none.yaml", "cannot be read (No such file or directory)"),
    ],
)
def test_a_command_that_cannot_end_well_is_refused(
    option, value, message, folder, tmp_path, capsys
):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(make_recipe().model_dump_json())
    options = {
        "--recipe": str(recipe),
        "--corpora": str(folder),
        "--base": str(folder / "base"),
        "--output": str(tmp_path / "model"),
        option: value.format(folder=folder),
    }
    assert main([part for pair in options.items() for part in pair]) == 2
    assert message in capsys.readouterr().err


def test_no_error_and_no_log_line_quotes_a_corpus(folder, tmp_path, capsys, caplog):
    (tmp_path / "bad.tsv").write_text(f"Emma\tB-PER\n{SECRET}\n")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps({"types": ["PER"], "corpora": [{"file": "bad.tsv"}]}))
    arguments = ["--recipe", str(recipe), "--corpora", str(tmp_path), "--base", "bundled"]
    assert main([*arguments, "--output", str(tmp_path / "model")]) == 2
    printed = capsys.readouterr().err
    assert "bad.tsv, line 2: a word without a tag" in printed
    assert SECRET not in printed + caplog.text


def evaluation(step, score):
    return DevelopmentScores(step=step, loss=0.0, scores={"x": score}, score=score)


@pytest.mark.parametrize(
    ("scores", "patience", "stale"),
    [
        ([], 1, False),
        ([0.5], 1, False),
        ([0.5, 0.4], 1, True),
        ([0.5, 0.5], 1, True),
        ([0.5, 0.4, 0.6], 1, False),
        ([0.5, 0.4, 0.3], 3, False),
        ([0.5, 0.4, 0.3, 0.2], 3, True),
        ([0.5, 0.4, 0.3, 0.2], None, False),
    ],
)
def test_patience_counts_evaluations_that_were_no_better(scores, patience, stale):
    evaluations = tuple(evaluation(step, score) for step, score in enumerate(scores))
    assert Progress(evaluations=evaluations).is_stale(patience) is stale


def test_the_card_tells_data_licences_scores_and_cost():
    corpus = Corpus(file="news.tsv", part=(0, 0.5), repeat=2, licence="CC0")
    recipe = Recipe(
        types=["PER"],
        corpora=[corpus],
        licence="apache-2.0",
        energy=Energy(watts=200, grams_co2e_per_kwh=300),
    )
    outcome = Outcome(
        name="mine",
        base="`base`",
        sizes=[CorpusSize(corpus=corpus, texts=3, words=1234)],
        development_sizes=[],
        runs=[
            Progress(step=9, seconds=7000, evaluations=(evaluation(5, 0.7), evaluation(9, 0.6))),
            Progress(step=8, seconds=200, evaluations=(evaluation(5, 0.5),)),
        ],
        averaged={"x": 0.8},
        num_steps=12,
        hardware="2 threads of a CPU",
        precision="bfloat16",
    )
    card = write_card(recipe, outcome)
    assert 'license: "apache-2.0"' in card
    assert "| news.tsv | training, × 2 | 0–0.5 | 3 | 1,234 | CC0 |" in card
    assert "| 1 | 5 | 0.0000 | 0.7000 | 0.7000 | kept |" in card
    assert "| 1 | 9 | 0.0000 | 0.6000 | 0.6000 |  |" in card
    assert "| 2 | 5 | 0.0000 | 0.5000 | 0.5000 | kept |" in card
    assert "| mean |  |  | 0.8000 | 0.8000 | kept |" in card
    assert "17 of 12 planned steps" in card
    assert "2.00 hours on 2 threads of a CPU. At 200 W and 300 g CO2e per kWh" in card
    assert "0.400 kWh and 120 g CO2e" in card
