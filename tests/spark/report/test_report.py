"""The page about a run lies beside its result, and quotes documents only where that is wanted."""

import json
import logging

import pytest

from spark_entities.jobs import enrich
from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.enrich import run

SENTINEL = "zwijgplicht"
TEXTS = [f"Emma woont in Londen, {SENTINEL}.", "Emma werkt bij Philips.", None, "Jan " * 100]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "documents.json"
    rows = [{"id": index, "text": text} for index, text in enumerate(TEXTS)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return {"path": str(path), "format": "json"}


def test_the_page_lies_in_the_folder_of_the_run_and_quotes_nothing(spark, tmp_path, source):
    config = EnrichConfig(
        input=source, output={"path": str(tmp_path / "out")}, classify={"max_document_chars": 300}
    )
    summary = run(spark, config)
    (page,) = (tmp_path / "out").rglob("*.html")
    assert summary.page == f"{summary.result}/_report.html" == f"file:{page}"
    html = page.read_text("utf-8")
    assert html.endswith("</html>")
    assert "longer than classify.max_document_chars=300 characters" in html
    assert summary.run_id in html
    assert (sum(summary.lengths), summary.lengths[0]) == (4, 2)  # null and failed have no tokens
    for quote in (SENTINEL, "Emma", "Londen", "Philips", "Jan"):
        assert quote not in html
    assert spark.read.parquet(config.output.path).count() == 4  # readers pass over the page


def test_names_and_documents_go_where_and_only_if_they_are_wanted(spark, tmp_path, source):
    pages = tmp_path / "pages"
    config = EnrichConfig(
        input=source,
        output={"path": str(tmp_path / "out")},
        report={"path": str(pages), "names": 1, "samples": 1},
        run={"id": "run-a"},
    )
    assert run(spark, config).page == str(pages / "run-a.html")
    html = (pages / "run-a.html").read_text("utf-8")
    assert '<bdi>Emma</bdi></td><td class="number soft">2</td>' in html  # in two documents
    assert '<mark class="c0">Emma<small>PER</small></mark> ' in html
    assert html.count('class="sample"') == 1
    assert not [*(tmp_path / "out").rglob("*.html")]


def test_a_page_that_cannot_be_made_costs_no_run(spark, tmp_path, source, monkeypatch, caplog):
    def fail(*arguments: object) -> str:
        raise KeyError(SENTINEL)

    monkeypatch.setattr(enrich, "make_page", fail)
    config = EnrichConfig(input=source, output={"path": str(tmp_path / "out")})
    with caplog.at_level(logging.WARNING):
        assert run(spark, config).documents == 4
    assert "No report could be made of the run (KeyError)" in caplog.text
    assert SENTINEL not in caplog.text
    assert not [*(tmp_path / "out").rglob("*.html")]
