"""`spark-entities preview`: the same documents with Spark and without, and the same refusals."""

import json

import pytest

from spark_entities.jobs import enrich, preview
from spark_entities.jobs.tables import head

ROWS = [
    {"id": 1, "title": "Philips in Eindhoven.", "source": {"name": "Emma woont in Londen."}},
    {"id": 2, "title": None, "source": {"name": "Niemand."}},
]
TEXTS = ("--input.text_columns", '["title", "source.name"]')


@pytest.fixture
def flags(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text("\n".join(map(json.dumps, ROWS)))
    return ["--input.path", str(tmp_path / "in"), "--input.format", "json"]


@pytest.fixture
def without_spark(monkeypatch):
    monkeypatch.setattr(head, "is_plain", lambda _: True)
    monkeypatch.setattr(preview, "set_up", lambda *_, **__: pytest.fail("Spark was started"))


def test_documents_are_shown_with_their_entities_by_spark(spark, tmp_path, capsys, flags):
    assert preview.main([*flags, *TEXTS, "--input.where", "id = 1"]) == 0
    shown = capsys.readouterr().out
    assert "Eindhoven LOC [11, 20)" in shown
    assert "Londen LOC [14, 20)" in shown
    assert "Niemand" not in shown
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_each_text_stands_beside_the_name_of_its_column_where_there_are_several(
    spark, capsys, flags
):
    assert preview.main([*flags, *TEXTS, "--input.where", "id = 1"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[1:4] for row in rows if "woont" in row or "Philips" in row] == [
        ["title", "│", "Philips"],
        ["source.name", "│", "Emma"],
    ]
    assert preview.main([*flags, "--input.text_column", "title", "--input.where", "id = 1"]) == 0
    assert "title" not in capsys.readouterr().out


def test_the_same_is_shown_without_spark(spark, capsys, flags, request):
    shown = []
    for fixture in (None, "without_spark"):
        if fixture:
            request.getfixturevalue(fixture)
        assert preview.main([*flags, *TEXTS]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "Niemand" in shown[0]


@pytest.mark.usefixtures("without_spark")
def test_what_is_redacted_is_shown_so_and_no_more_than_is_asked_for(capsys, flags):
    asked = ("--redact.groups", "PER", "--output.drop_text", "true", "--input.limit", "1")
    assert preview.main([*flags, *TEXTS, *asked]) == 0
    shown = capsys.readouterr().out
    assert "[PER] woont in Londen." in shown
    assert "Emma" not in shown
    assert "Niemand" not in shown


def test_a_missing_column_is_refused_in_the_words_of_enrich(spark, tmp_path, capsys, flags):
    wrong = [*flags, "--input.text_column", "body"]
    assert preview.main(wrong) == 2
    said = capsys.readouterr().err
    assert enrich.main([*wrong, "--output.path", str(tmp_path / "out")]) == 2
    assert said == capsys.readouterr().err != ""
