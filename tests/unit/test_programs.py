"""The programs run as files, as spark-submit runs them: what they find, and what they hide."""

import os
import re
import shutil
import subprocess

import pytest

from spark_entities.jobs import finetune
from spark_entities.jobs.__main__ import _JOBS, _TELL_PHASES, main
from tests.support.processes import ROOT
from tests.support.wheel import make_environment

ENRICH = ROOT / "jobs" / "enrich.py"
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


def ask(python, program, *path, flags=()):
    """Run a program for its help, and ask it then where it finds `config` and `report`."""
    done = subprocess.run(
        [python, *flags, "-i", program, "--help"],
        cwd=path[0].parent,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))},
        input=ASKED,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "usage: " in done.stdout, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("flags", [(), ("-P",)])
def test_a_program_of_a_checkout_needs_no_installation_and_hides_no_package(bare, foreign, flags):
    told = ask(bare, ENRICH, foreign, flags=flags)
    assert told.startswith(f"{foreign}/config.py {foreign}/report.py ")
    assert told.endswith(f", '{ROOT}']")  # last


def test_a_link_to_a_program_does_as_the_program(bare, foreign):
    link = foreign.parent / "started.py"
    link.symlink_to(ENRICH)
    assert ask(bare, link, foreign).startswith(f"{foreign}/config.py {foreign}/report.py ")


def test_a_program_that_spark_fetched_takes_no_packages_from_beside_its_folder(bare, foreign):
    fetched = foreign.parent / "fetched" / "enrich.py"  # as /tmp/spark-…/enrich.py
    fetched.parent.mkdir()
    fetched.write_bytes(ENRICH.read_bytes())
    (foreign.parent / "spark_entities").mkdir()
    assert f"'{foreign.parent}'" not in ask(bare, fetched, foreign, ROOT)


def test_a_program_of_an_installed_package_makes_no_jobs_importable(bare, foreign):
    """As conf/Dockerfile runs it, by a link."""
    packages, unneeded = foreign.parent / "packages", shutil.ignore_patterns("bundled")
    shutil.copytree(ROOT / "spark_entities", packages / "spark_entities", ignore=unneeded)
    link = foreign.parent / "enrich.py"
    link.symlink_to(packages / "spark_entities" / "jobs" / "enrich.py")
    told = ask(bare, link, foreign, packages)
    assert told.startswith(f"{foreign}/config.py {foreign}/report.py ")
    assert f"'{packages}/spark_entities" not in told


@pytest.mark.parametrize("name", ["check", "evaluate", "finetune", "plan", "preview"])
def test_the_other_programs_begin_as_enrich_does(name):
    (first,) = re.findall(r"^if not __package__:.*?\n\n", ENRICH.read_text("utf-8"), re.M | re.S)
    _, found, imports = ENRICH.with_stem(name).read_text("utf-8").partition(first)
    assert found
    assert "\nfrom spark_entities" in imports


def test_the_command_tells_of_each_program_that_has_phases_before_it_is_imported():
    programs = {name: (ROOT / "jobs" / f"{name}.py").read_text("utf-8") for name in _JOBS}
    assert {*_TELL_PHASES} == {name for name, code in programs.items() if "begin_phases()" in code}


@pytest.mark.parametrize(
    ("word", "status", "said"),
    [
        ("enrihc", 2, "refused: 'enrihc' is an unknown job.\n"),
        ("--version", 0, r"spark-entities (\d+\.\d+\.\d+|of a checkout)\n"),
    ],
)
def test_the_command_names_a_job_that_is_none_and_its_version(
    capsys, monkeypatch, word, status, said
):
    monkeypatch.setattr("sys.argv", ["spark-entities", word])
    assert main() == status
    assert re.fullmatch(said, capsys.readouterr()[1 if status else 0])


def test_the_help_of_training_is_for_those_who_use_it(capsys):
    with pytest.raises(SystemExit):
        finetune.main(["--help"])
    assert "Must not import" not in capsys.readouterr().out
