"""What the documents say is true: their code and commands run, unless marked `no-run`.

Those of the README run as they stand, where nothing is activated; those of other pages in
the session of the tests.
"""

import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.processes import ROOT, bare_environment, link_checkout

README = (ROOT / "README.md").read_text("utf-8")
TESTED_APART = "docs/warehouse.md"  # its queries, in test_warehouse.py
GUIDES = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
PAGES = ["README.md", *GUIDES]


def blocks(page: str, language: str, build: str = "build") -> list[str]:
    """Return the blocks of code in a language that can be run here, with `build` elsewhere."""
    if language == "sql" and page == TESTED_APART:
        return []
    text = (ROOT / page).read_text("utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block.replace("build/", f"{build}/") for block in found]


def commands(page: str, build: str = "build") -> list[list[str]]:
    """Return the commands of a guide, split into words."""
    lines = "\n".join(blocks(page, "bash", build)).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.fixture
def spark(spark):
    """The session of the tests. What jobs set in it is undone, also what `conf.unset` refuses."""
    before = dict(spark.conf.getAll)
    yield spark
    settings = spark._jsparkSession.sessionState().conf()
    for name, value in dict(spark.conf.getAll).items():
        if name not in before:
            settings.unsetConf(name)
        elif value != before[name]:
            settings.setConfString(name, before[name])


@pytest.mark.parametrize("page", [page for page in GUIDES if commands(page) or blocks(page, "sql")])
def test_commands_and_queries_of_a_guide_run(spark, page, tmp_path, capsys):
    for program, job, *rest in commands(page, str(tmp_path)):
        assert program == ".venv/bin/spark-entities", f"mark it no-run: {program}"
        done = import_module(f"spark_entities.jobs.{job}").main(rest)
        assert done == 0, capsys.readouterr().err
    for query in blocks(page, "sql", str(tmp_path)):
        assert spark.sql(query).collect() != []


def run_bare(*words: str, cwd: Path) -> str:
    """Run a command in a shell where nothing is activated; returns what it prints."""
    done = subprocess.run(
        words, cwd=cwd, env=bare_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (words, done.stdout + done.stderr[-3000:])
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return link_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def printed(checkout):
    """What the blocks of commands in the README print, one after the other."""
    scripts = [block.replace("make test ", "# make test ") for block in blocks("README.md", "bash")]
    return "".join(run_bare("bash", "-ec", script, cwd=checkout) for script in scripts)


def test_the_commands_of_the_readme_write_what_they_say(checkout, printed):
    names = ("demo", "enriched", "submitted", "growing")
    assert {name: len(pq.read_table(checkout / "build" / name)) for name in names} == dict.fromkeys(
        names, 64
    )
    assert "model: bundled@" in printed


def test_the_demo_prints_entities_and_writes_them(checkout, printed):
    assert "Emma PER [13, 17)" in printed
    assert "Londen LOC [32, 38)" in printed
    assert re.search(r"documents +64", printed)
    assert re.search(r"result +file:\S+/build/demo/entity_run=", printed)
    rows = pq.read_table(checkout / "build" / "demo").to_pylist()
    for row in rows:
        for entity in row["entities"] or []:
            assert row["text"][entity["start"] : entity["end"]] == entity["word"]
    (null,) = [row for row in rows if row["text"] is None]
    assert (null["entities"], null["entity_error"]) == (None, None)
    longest = max(rows, key=lambda row: len(row["text"] or ""))
    assert [e["word"] for e in longest["entities"]][-2:] == ["Willem de Vries", "Utrecht"]


@pytest.mark.parametrize("code", blocks("README.md", "python"))
def test_python_of_the_readme_finds_its_entities_as_a_script(checkout, tmp_path, code):
    (tmp_path / "example.py").write_text(code)
    printed = run_bare(str(checkout / ".venv/bin/python"), "example.py", cwd=tmp_path)
    assert "Londen" in printed or "Eindhoven" in printed


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page):
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("page", [*PAGES, "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_that_a_page_names_are_there(page):
    text = (ROOT / page).read_text("utf-8")
    for name in re.findall(r"`((?:conf|docs|jobs|notebooks|tests|udfs)/[\w/.-]+)`", text):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_of_a_page_is_there(page):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text("utf-8")):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_columns_of_the_readme_are_those_of_the_job():
    from spark_entities.jobs.config import EnrichConfig
    from spark_entities.jobs.enrichment.set_up import check_model
    from spark_entities.jobs.tables.result_columns import ResultColumns

    config = EnrichConfig()
    for column in ResultColumns.of(config, check_model(config).scheme.groups).added:
        assert f"`{column}`" in README
