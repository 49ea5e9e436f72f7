from pathlib import Path

from spark_entities.jobs.config import EnrichConfig, EvaluateConfig, known_keys
from spark_entities.jobs.config.reference import describe_settings

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_reference_of_settings_is_that_of_the_code():
    assert PAGE.read_text("utf-8") == describe_settings(), "run `make docs`"


def test_every_setting_is_in_it():
    keys = {*known_keys(EnrichConfig), *known_keys(EvaluateConfig)}
    assert [key for key in sorted(keys) if f"| `{key}` |" not in describe_settings()] == []
