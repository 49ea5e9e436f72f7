"""What the documents say is true: their code runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_of_the_readme_finds_its_entities(spark, code, capsys):
    exec(code, {"spark": spark})  # what a reader pastes
    printed = capsys.readouterr().out
    assert "Londen" in printed or "Eindhoven" in printed


def test_every_make_target_of_the_readme_is_there():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_columns_of_the_readme_are_those_of_the_job():
    from jobs.config import EnrichConfig
    from jobs.enrich import check_model, group_columns

    groups = group_columns(check_model(EnrichConfig()).scheme)
    for column in ["entities", *groups, "entity_error", "entity_model", "entity_run"]:
        assert f"`{column}`" in README
