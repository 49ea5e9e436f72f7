from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from spark_entities.jobs.benchmark import engine
from spark_entities.jobs.benchmark.__main__ import main
from spark_entities.jobs.benchmark.engine import compare_precisions, interleave, model_flop
from spark_entities.jobs.benchmark.processes import shared_memory
from spark_entities.jobs.benchmark.workload import (
    SCENARIOS,
    find_model,
    make_documents,
    write_documents,
)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_documents_have_the_lengths_of_their_scenario(scenario):
    sizes = pd.Series([len(text.split()) for text in make_documents(scenario, 500)])
    assert sizes.median() == pytest.approx(SCENARIOS[scenario].median, rel=0.2)
    assert sizes.min() >= 1


def test_the_same_seed_gives_the_same_documents():
    assert make_documents("mixed", 5) == make_documents("mixed", 5)
    assert make_documents("mixed", 5) != make_documents("mixed", 5, seed=1)


def test_documents_are_dealt_to_files_of_about_equal_work(tmp_path):
    documents = make_documents("mixed", 100)
    write_documents(documents, tmp_path / "in", 4)
    files = [pd.read_parquet(path)["text"].tolist() for path in sorted(tmp_path.glob("in/*"))]
    assert sorted(text for file in files for text in file) == sorted(documents)
    sizes = [sum(map(len, file)) for file in files]
    assert max(sizes) < 1.5 * min(sizes)


def test_a_shape_is_made_once_and_loads(tmp_path):
    folder = find_model("tiny", tmp_path)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert find_model("tiny", tmp_path) == folder
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == made


def test_every_run_takes_its_turn_after_a_warm_up():
    seen: list[str] = []
    median = interleave({name: lambda name=name: seen.append(name) for name in "ab"}, 2)
    assert seen == ["a", "b"] * 3
    assert median.keys() == {"a", "b"}


def test_a_precision_agrees_with_itself():
    rows = compare_precisions("bundled", ["float32"], ["Emma woont in Londen."], 1)
    assert rows == [("float32", 1.0, 1.0)]


def test_workers_of_one_host_are_counted_together(tmp_path):
    resident, private, together = shared_memory(find_model("tiny", tmp_path), 2)
    assert 0 < private < resident < together < 2 * resident


def test_a_worker_that_dies_is_not_waited_for(tmp_path):
    with pytest.raises(EOFError):
        shared_memory(str(tmp_path / "no-model"), 1)


def test_flop_are_two_a_weight_and_token_and_those_of_attention():
    network = torch.nn.ModuleDict({"embeddings": torch.nn.Embedding(7, 4)})
    network["layer"] = torch.nn.Linear(4, 5, bias=False)
    network.config = SimpleNamespace(num_hidden_layers=2, hidden_size=4)
    assert model_flop(network, np.array([3, 1])) == 2 * 20 * 4 + 4 * 2 * 4 * (9 + 1)


@pytest.mark.filterwarnings("ignore")  # of transformers' pipeline
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep", "--documents", "3", "--budgets", "256", "512"], "padded tokens"),
        (["engine", "--documents", "3", "--batch-sizes", "2"], "of matmul"),
        (["profile", "--words", "300"], "from Arrow to Arrow"),
    ],
)
def test_the_engine_is_measured_without_spark(tmp_path, monkeypatch, capsys, arguments, said):
    for name in ("_LIMIT_SECONDS", "_MATMUL_SECONDS"):
        monkeypatch.setattr(engine, name, 0.1)
    if arguments[0] != "profile":
        arguments = [*arguments, "--model", "tiny", "--output", str(tmp_path)]
    main([*arguments, "--repeats", "1"])
    assert said in capsys.readouterr().out


def test_an_option_of_another_measurement_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["memory", "--scenario", "long"])
    assert "unrecognized arguments: --scenario" in capsys.readouterr().err
