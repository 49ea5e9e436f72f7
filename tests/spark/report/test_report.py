"""The page about a run lies beside its result, and quotes documents only where that is wanted."""

import json
import logging
import re
from html import unescape

import pytest

from spark_entities.jobs import enrich
from spark_entities.jobs.config import EnrichConfig
from spark_entities.jobs.enrich import run
from spark_entities.jobs.report.terminal import print_summary

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
        summary = run(spark, config)
    assert (summary.documents, summary.page) == (4, None)  # nor is one named
    assert "No report could be made of the run (KeyError)" in caplog.text
    assert SENTINEL not in caplog.text
    assert not [*(tmp_path / "out").rglob("*.html")]


def test_terminal_page_and_record_tell_the_same_of_a_run(spark, tmp_path, source, capsys):
    config = EnrichConfig(
        input={**source, "id_column": "id"},
        output={"path": str(tmp_path / "out"), "mode": "append"},
        classify={"max_document_chars": 300},
    )
    runs = [run(spark, config) for _ in range(2)]
    records = [
        json.loads((tmp_path / "out").joinpath(f"entity_run={each.run_id}/_run.json").read_text())
        for each in runs
    ]
    html = (tmp_path / "out" / f"entity_run={runs[1].run_id}" / "_report.html").read_text("utf-8")
    print_summary(runs[1])
    speed = f"{runs[1].tokens_per_second:,.0f}"
    assert f"speed        {speed} tokens/s" in capsys.readouterr().out
    assert f'<div class="kind">Tokens/s</div><div class="value">{speed}</div>' in html
    for each, record in zip(runs, records, strict=True):
        assert record["documents"] == each.documents == 4
        assert record["entities"] == each.entities
        assert record["tokens"] == each.num_tokens > 0
        assert record["seconds"] == each.seconds
        assert record["errors"] == {"longer than classify.max_document_chars=300 characters": 1}
        assert [*record["computed_in"]] == ["cpu"]
    assert sum(runs[0].scores) == sum(runs[0].entities.values())
    before = re.search(r"Tokens/s</th><td>([\d,]+)</td><td>([\d,]+)</td>", html)
    assert before.groups() == tuple(f"{each.tokens_per_second:,.0f}" for each in runs[::-1])


def test_the_query_of_a_page_finds_the_names_of_its_run(spark, tmp_path, source):
    for layout in ("documents", "mentions"):
        config = EnrichConfig(
            input={**source, "id_column": "id"},
            output={"path": str(tmp_path / layout), "layout": layout},
            errors={"policy": "fail"},
        )
        run(spark, config)
        (page,) = (tmp_path / layout).rglob("*.html")
        query = re.search(r"<pre><code>(.*?)</code></pre>", page.read_text("utf-8"), re.DOTALL)[1]
        rows = spark.sql(unescape(query)).collect()
        assert ("PER", "Emma", 2) in [tuple(row) for row in rows]
