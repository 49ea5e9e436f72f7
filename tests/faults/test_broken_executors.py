"""Workers and executors that die or hang: every row comes out once, and nothing is left beside."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_job_survives_the_loss_of_workers_and_executors():
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.cluster"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)
    texts = sorted(f"Emma woont in Londen {row}" for row in range(24))
    whole = {"broke": True, "texts": texts, "failed": 0, "beside": []}
    assert result == {
        "GPU failure": whole,
        "SIGKILL of the worker": whole,
        "segmentation fault": whole,
        "SIGKILL of the executor": whole,
        "hang": whole,
    }
