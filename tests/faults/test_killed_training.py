"""A training run that is killed goes on where it stopped, and ends with the same weights."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spark_entities.jobs.finetune import main
from tests.support.families import make_checkpoint

ROOT = Path(__file__).parents[2]
RECIPE = """
types: [PER]
corpora:
  - file: train.tsv
development:
  - file: train.tsv
training:
  max_sentences_per_text: 1
  max_padded_tokens: 32
  dropout: 0.1
  checkpoint_steps: 3
"""


@pytest.mark.fault("a killed training run", "SIGKILL of the process at a step")
def test_a_killed_training_run_ends_with_the_weights_of_one_that_was_not(tmp_path):
    sentence = "Ann\tB-PER\nziet\tO\nBo\tB-PER\n\n"
    (tmp_path / "train.tsv").write_text(sentence * 40)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    make_checkpoint("WordPiece uncased", tmp_path / "base")
    given = [f"--recipe={tmp_path}/recipe.yaml", f"--corpora={tmp_path}", f"--base={tmp_path}/base"]

    killed = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.faults.killed_training",
            "8",
            *given,
            "--output",
            tmp_path / "killed",
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert not (tmp_path / "killed").exists()
    assert (tmp_path / ".killed.training" / "run-0.pt").exists()

    for name in ("killed", "whole"):
        assert main([*given, "--output", str(tmp_path / name)]) == 0
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("killed", "whole")]
    assert weights[0] == weights[1]
