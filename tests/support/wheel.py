"""The wheel, and environments that have no source tree.

An environment takes what the wheel needs from that of the tests: a whole one, with torch, would be
made for minutes. A path that is appended brings no source tree with it, as the editable
installation of the tests does.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pyspark

from tests.support.processes import ROOT

SPARK_HOME = Path(pyspark.__file__).parent


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy of the sources, as a build leaves files among them."""
    copy = copy_sources(folder / "sources")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(copy)], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def copy_sources(copy: Path) -> Path:
    """Copy what a wheel is built of; the links of the checkout stay links."""
    for name in ("jobs", "udfs", "spark_entities"):
        unneeded = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=unneeded)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


def make_environment(folder: Path, *wheels: Path) -> Path:
    """Make an environment with these wheels, and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    if wheels:
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        subprocess.run([*pip, "--no-index", "--no-deps", *map(str, wheels)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    needed = sysconfig.get_paths()["purelib"]
    (packages / "needed.pth").write_text(f"import sys; sys.path.append({needed!r})\n")
    return python


def run(python: Path, *command: str | Path, cwd: Path, path: Path | None = None) -> str:
    """Run a program of an environment, which must do well; returns what it prints.

    Args:
        python: the environment's, for Spark's driver and its workers too.
        command: the program and its arguments.
        cwd: the working folder.
        path: PYTHONPATH, whose packages come before those that are installed.

    """
    settings = {
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": str(python),
        "PYTHONPATH": str(path or ""),
        "SPARK_HOME": str(SPARK_HOME),
    }
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout
