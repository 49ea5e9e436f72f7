"""Programs that need a process of their own, since there is one SparkContext in each."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def run_module(name: str, *arguments: str) -> Any:
    """Run a module and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def bare_environment() -> dict[str, str]:
    """Return the variables of a shell where nothing is activated: the system's programs, and Java.

    Kept is what makes Java's many short lives in tests quicker (`tests/conftest.py`).
    """
    java = shutil.which("java")
    folders = [os.defpath, *([str(Path(java).parent)] if java else [])]
    kept = ("HOME", "JAVA_HOME", "OMP_NUM_THREADS", "SPARK_SUBMIT_OPTS")
    given = {name: os.environ[name] for name in kept if name in os.environ}
    return {**given, "PATH": os.pathsep.join(folders)}


def link_checkout(folder: Path) -> Path:
    """Make a checkout of links to this one, and to the environment of the tests as `.venv`.

    What is made there does not lie among the sources; to `make`, the environment is up to date.
    """
    left_out = {"build", "dist", ".git", ".venv"}
    for path in ROOT.iterdir():
        if path.name not in left_out:
            (folder / path.name).symlink_to(path)
    environment = folder / ".venv"
    environment.mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != ".ready":
            (environment / path.name).symlink_to(path)
    (environment / ".ready").touch()
    return folder
