"""The discovery script, beside an `nvidia-smi` that is scripted: there is no GPU here."""

import json
import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "conf" / "gpu-discovery.sh"


def discover(folder: Path, nvidia_smi: str, visible: str | None) -> subprocess.CompletedProcess:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{nvidia_smi}\n")
    tool.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"}
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    return subprocess.run(
        [str(SCRIPT)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("listed", "visible", "addresses"),
    [
        ("0\n1\n2", None, ["0", "1", "2"]),
        ("0", None, ["0"]),
        ("0\n1\n2\n3", "2, 3", ["2", "3"]),
        ("0\n1", "GPU-8f3a,MIG-1", ["GPU-8f3a", "MIG-1"]),
        ("0\n1", "", ["0", "1"]),
    ],
)
def test_gpus_are_named_as_the_process_sees_them(tmp_path, listed, visible, addresses):
    done = discover(tmp_path, f"printf '{listed}\\n'", visible)
    assert json.loads(done.stdout) == {"name": "gpu", "addresses": addresses}


def test_without_a_driver_it_fails_and_says_so(tmp_path):
    done = discover(tmp_path, "echo 'NVIDIA-SMI has failed' >&2; exit 9", None)
    assert done.returncode == 9
    assert done.stdout == ""
    assert "NVIDIA-SMI has failed" in done.stderr
