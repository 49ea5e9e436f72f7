"""What the documents say is true: their code and commands run, unless marked `no-run`."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
TESTED_APART = "docs/warehouse.md"  # its queries, in test_warehouse.py
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


def blocks(page: str, language: str, build: str = "build") -> list[str]:
    """Return the blocks of code in a language that can be run here, with `build` elsewhere."""
    if language == "sql" and page == TESTED_APART:
        return []
    text = (ROOT / page).read_text("utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block.replace("build/", f"{build}/") for block in found]


def commands(page: str, build: str = "build") -> list[list[str]]:
    """Return the commands of a page, split into words."""
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


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page) or blocks(page, "sql")])
def test_commands_and_queries_of_a_page_run(spark, page, tmp_path, capsys):
    for program, job, *rest in commands(page, str(tmp_path)):
        if program == "make":
            makefile = (ROOT / "Makefile").read_text("utf-8")
            assert re.search(rf"^{job}:", makefile, re.MULTILINE), job
        elif program == ".venv/bin/spark-submit":
            script = rest.index("jobs/enrich.py")
            assert import_module("spark_entities.jobs.enrich").main(rest[script + 1 :]) == 0, rest
        else:
            assert program == ".venv/bin/spark-entities", f"mark it no-run: {program}"
            assert import_module(f"spark_entities.jobs.{job}").main(rest) == 0, (
                capsys.readouterr().err
            )
    for query in blocks(page, "sql", str(tmp_path)):
        assert spark.sql(query).collect() != []


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


@pytest.mark.parametrize("code", blocks("README.md", "python"))
def test_python_of_the_readme_finds_its_entities(spark, code, capsys):
    exec(code, {"spark": spark})  # what a reader pastes
    printed = capsys.readouterr().out
    assert "Londen" in printed or "Eindhoven" in printed


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
