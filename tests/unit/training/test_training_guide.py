"""docs/training.md names every key of a recipe with its default, and its recipes are recipes."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from spark_entities.jobs.training.recipe import (
    Corpus,
    Encoder,
    Energy,
    Recipe,
    Training,
    load_recipe,
)

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "training.md").read_text("utf-8")
SECTIONS = {
    "## The recipe": Recipe,
    "### `corpora`, `development`": Corpus,
    "### `training`": Training,
    "### `energy`": Energy,
    "### `encoder`": Encoder,
}


def rows_below(heading: str) -> list[tuple[str, str]]:
    """Return key and default of each row of the table below a heading of the guide."""
    section = GUIDE.partition(f"{heading}\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", section, re.MULTILINE)
    return [(key, default.strip(" `")) for key, default in rows]


def default_of(model: type[BaseModel], name: str) -> str:
    """Write a field's default as the guide does; nothing where it is empty, or a section."""
    default = model.model_fields[name].get_default()
    if default is None or model.model_fields[name].is_required() or model is Recipe:
        return ""
    return str(list(default) if isinstance(default, tuple) else default)


@pytest.mark.parametrize(("heading", "model"), SECTIONS.items())
def test_every_key_stands_in_the_guide_with_its_default(heading, model):
    assert rows_below(heading) == [(name, default_of(model, name)) for name in model.model_fields]


def test_the_recipe_of_the_guide_is_one():
    (text,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert Recipe.model_validate(yaml.safe_load(text)).types == ["PER", "ORG", "LOC"]


@pytest.mark.parametrize("name", re.findall(r"`(conf/[\w-]+\.yaml)`", GUIDE))
def test_a_recipe_that_the_guide_names_loads(name):
    assert load_recipe(ROOT / name).corpora
