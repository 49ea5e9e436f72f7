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
}


NOTHING: dict[str, str] = {}


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
        (
            MENTIONS,
            {"redact.groups": "PER"},
            "redact.groups with output.layout='mentions', which has no texts",
        ),
        (
            INCREMENTAL,
            {"input.limit": "5"},
            "input.limit=5 with run.mode='incremental'",
        ),
        (EXISTING, {"output.drop_text": "true"}, "run.skip_existing=True needs the texts"),
        (EXISTING, {"input.columns": '["id"]'}, "run.skip_existing=True needs the texts"),
        (EXISTING, {"input.columns": '["text"]'}, "input.columns=['text'] lacks id, which"),
        (NOTHING, {"redact.style": "mask"}, "redact.style without redact.groups"),
        (
            NOTHING,
            {"redact.groups": "PER", "redact.key": "sesame, open yourself"},
            "redact.key=… is a secret",
        ),
        (
            {"input.text_column": "a"},
            {"input.text_columns": "a,b"},
            "input.text_column='a' and input.text_columns=['a', 'b']: leave one",
        ),
        (NOTHING, {"input.text_columns": "a,b,a"}, "input.text_columns names a twice"),
        (NOTHING, {"input.columns": "a,b,a,b"}, "input.columns names a, b twice. Name it once."),
        (NOTHING, {"output.partition_by": "day,day"}, "output.partition_by names day twice"),
        (NOTHING, {"input.limit": "3000000000"}, "input.limit='3000000000' is refused"),
        (NOTHING, {"input.min_partitions": "3000000000"}, "input.min_partitions='3000000000' is"),
        (
            MENTIONS,
            {"input.id_column": "text", "output.drop_text": "true"},
            "input.id_column='text' holds texts, which output.drop_text leaves out",
        ),
        (
            {"input.text_columns": "title,source.name", "run.show_documents": "1"},
            {"input.columns": "title"},
            "run.show_documents=1 needs the texts",
        ),
    ],
)
def test_sections_that_do_not_go_together_are_refused(given, change, message):
    with pytest.raises(ConfigError) as refused:
        read(given | change)
    assert message in str(refused.value)
