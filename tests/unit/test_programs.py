"""The programs run as files, as spark-submit runs them: what they find, and what they hide."""

import os
import subprocess
import sys

import pytest

from tests.support.processes import ROOT
from tests.support.wheel import make_environment

PROGRAMS = ("enrich", "check", "evaluate", "finetune")
FOREIGN = ("config", "report", "output")  # rooms of ours are called so too
ASKED = "import sys, config, report, output; print(config.__file__, report.__file__, sys.path)\n"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The Python of an environment that has all but this package."""
    return make_environment(tmp_path_factory.mktemp("bare") / "environment")


@pytest.fixture
def foreign(tmp_path):
    folder = tmp_path / "foreign"
    folder.mkdir()
    for name in FOREIGN:
        (folder / f"{name}.py").touch()
    return folder


def ask(python, program, foreign, *flags):
    """Run a program for its help, and ask it then where it finds `config` and `report`."""
    done = subprocess.run(
        [python, *flags, "-i", program, "--help"],
        cwd=foreign.parent,
        env=os.environ | {"PYTHONPATH": str(foreign)},
        input=ASKED,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "usage: " in done.stdout
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_hides_no_package_that_is_named_as_a_room(foreign, name):
    told = ask(sys.executable, ROOT / "jobs" / f"{name}.py", foreign)
    assert told.startswith(f"{foreign}/config.py {foreign}/report.py ")


@pytest.mark.parametrize("flags", [(), ("-P",)])
def test_a_program_of_a_checkout_that_is_not_installed_runs_and_hides_nothing(bare, foreign, flags):
    told = ask(bare, ROOT / "jobs" / "enrich.py", foreign, *flags)
    assert told.startswith(f"{foreign}/config.py {foreign}/report.py ")
    assert told.endswith(f", '{ROOT}']")  # last


def test_a_link_to_a_program_runs_as_the_program_does(bare, foreign):
    link = foreign.parent / "started.py"
    link.symlink_to(ROOT / "jobs" / "enrich.py")
    assert ask(bare, link, foreign).startswith(f"{foreign}/config.py {foreign}/report.py ")


def test_a_copy_of_a_program_adds_no_folder_to_the_path(foreign):
    """As spark-submit makes in a folder for all, which must not become one of packages."""
    copy = foreign.parent / "fetched" / "enrich.py"
    copy.parent.mkdir()
    copy.write_text((ROOT / "jobs" / "enrich.py").read_text("utf-8"))
    (foreign.parent / "spark_entities").mkdir()
    told = ask(sys.executable, copy, foreign)
    assert f"'{foreign.parent}'" not in told
