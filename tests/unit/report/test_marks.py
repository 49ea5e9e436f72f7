"""Documents as people read them: marks in the text, escaped, whatever the results are."""

import re
from html import unescape

import pyarrow as pa
import pytest
from pyspark.sql import Row

from spark_entities.jobs.report.marks import Sample, display, make_html, parts
from spark_entities.udfs.core.results import result_type
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions

EMMA = {"entity_group": "<PER>", "score": 0.9, "word": "<Emma>", "start": 4, "end": 10}
TEXT = "\U0001f469\u200d\U0001f467 <Emma> &\nco"  # characters that are two in UTF-16
ENTITIES = [EMMA]


def seen(html):
    """What a reader sees of it."""
    return unescape(re.sub("<[^>]*>", "", html.replace("<br>", "\n")))


def test_entities_cut_a_sample_into_parts():
    sample = Sample(text="Emma, Jan en Piet", entities=[(0, 4, "PER"), (6, 9, "PER")])
    assert list(parts(sample)) == [
        ("Emma", "PER"),
        (", ", None),
        ("Jan", "PER"),
        (" en Piet", None),
    ]


def test_what_is_marked_is_the_entity_and_what_is_html_in_a_text_is_text():
    html = make_html([{"text": TEXT, "entities": ENTITIES}])
    marked = "&lt;Emma&gt;&nbsp;<small><b>&lt;PER&gt;</b></small></mark> &amp;<br>co<"
    assert re.search(f" <mark [^>]*>{marked}", html)
    assert seen(html) == TEXT.replace("<Emma>", "<Emma>\xa0<PER>")


@pytest.mark.parametrize(
    ("results", "text", "entities"),
    [
        (
            pa.array([{"entities": ENTITIES}] * 3, result_type(ClassifyOptions())),
            [TEXT] * 3,
            "entities",
        ),
        ([{"entities": ENTITIES}] * 3, [TEXT] * 3, "entities"),
        ([{"text": TEXT, "entities": ENTITIES}] * 3, "text", "entities"),
        ([Row(body=TEXT, found=[Row(**EMMA)])] * 3, "body", "found"),
    ],
)
def test_results_of_every_kind_look_the_same(results, text, entities):
    html = make_html(results, text, entities=entities, limit=2)
    assert html.splitlines() == make_html([{"text": TEXT, "entities": ENTITIES}]).splitlines() * 2


def test_documents_without_text_or_entities_are_shown():
    html = make_html([{"entities": None}, {"entities": None}], [None, "Emma"])
    assert [seen(line) for line in html.splitlines()] == ["null", "Emma"]


def test_a_group_has_one_colour_in_all_documents_and_with_all_roles():
    labels = ["PER", "GPE", "B-GPE", "I-GPE", "I_PER"]
    rows = [{"entities": [{"entity": label, "start": 0, "end": 1}]} for label in labels]
    colours = re.findall("background:(#[0-9a-f]+)", make_html(rows, ["x"] * 5))
    assert colours[0] == colours[4] != colours[1] == colours[2] == colours[3]


@pytest.mark.parametrize(
    ("results", "text", "words"),
    [
        ([{"entities": []}], "text", "finds no 'text' in the results"),
        ([{"text": "x"}], "text", "finds no 'entities' in the results"),
        ([{"entities": []}], ["x", "y"], "has 1 results and 2 texts"),
    ],
)
def test_results_that_lack_something_are_refused(results, text, words):
    with pytest.raises(ConfigError, match=words):
        make_html(results, text)


def test_a_notebook_is_given_html(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    display([{"text": "Emma", "entities": []}])
    assert shown[0].data == make_html([{"text": "Emma", "entities": []}])
