import json

import pytest

from spark_entities.jobs.config import read_config
from spark_entities.udfs.errors import ConfigError

DATABASE = json.dumps({"url": "jdbc:postgresql://host/news", "dbtable": "articles"})
INCREMENTAL = {"run.mode": "incremental", "output.mode": "append"}
EXISTING = {"run.skip_existing": "true", "output.mode": "append", "input.id_column": "id"}
MENTIONS = {
    "output.layout": "mentions",
    "output.path": "out",
    "input.id_column": "id",
    "errors.policy": "fail",
}


def read(given: dict[str, str]):
    return read_config([part for key, value in given.items() for part in (f"--{key}", value)])


@pytest.mark.parametrize("given", [INCREMENTAL, EXISTING, MENTIONS])
def test_sections_that_go_together_are_taken(given):
    assert read(given).output.mode == given.get("output.mode", "error")


@pytest.mark.parametrize(
    ("given", "change", "message"),
    [
        (INCREMENTAL, {"output.mode": "error"}, "output.mode='error' with run.mode='incremental'"),
        (INCREMENTAL, {"run.id": "a"}, "run.id='a' with run.mode='incremental'"),
        (
            INCREMENTAL,
            {"input.format": "jdbc", "input.options": DATABASE},
            "input.format='jdbc' with run.mode='incremental'",
        ),
        (EXISTING, {"input.id_column": "null"}, "needs input.id_column set to the column with"),
        (EXISTING, {"output.mode": "error"}, "needs output.mode set to 'append'."),
        (
            EXISTING,
            {"output.format": "delta", "output.path": "out"},
            "run.skip_existing=True needs output.format set to 'parquet'.",
        ),
        (EXISTING, MENTIONS, "needs output.layout set to 'documents', which have texts."),
        (EXISTING, INCREMENTAL, "needs run.mode set to 'batch': an incremental run skips by it"),
        (
            MENTIONS,
            {"input.id_column": "null"},
            "output.layout='mentions' without input.id_column",
        ),
        (
            MENTIONS,
            {"errors.policy": "keep"},
            "errors.policy='keep' with output.layout='mentions'",
        ),
        (
            MENTIONS,
            {"run.show_documents": "3"},
            "run.show_documents=3 with output.layout='mentions'",
        ),
    ],
)
def test_sections_that_do_not_go_together_are_refused(given, change, message):
    with pytest.raises(ConfigError) as refused:
        read(given | change)
    assert message in str(refused.value)
