"""The page about a run: whole, escaped, without a script, and quoting nothing unless asked."""

import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from spark_entities.jobs.config import EnrichConfig, read_config
from spark_entities.jobs.enrichment.metrics import LENGTH_EDGES, Summary
from spark_entities.jobs.output.run_record import RunRecord
from spark_entities.jobs.report.content import Content
from spark_entities.jobs.report.marks import Sample
from spark_entities.jobs.report.page import make_page, save_page
from spark_entities.udfs.core.results import SCORE_CLASSES
from spark_entities.udfs.errors import ConfigError

EVIL = "<script>alert('&')</script>"
INLINE = {"mark", "small", "code", "bdi", "cite"}
VOID = {"meta", "br", "img", "link"}


class Page(HTMLParser):
    """What a browser makes of a page: its elements, and the text outside its style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.text += "" if tag in INLINE else " "
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


def summary(**changes):
    values = {
        "documents": 1200, "failed": 0, "entities": {"PER": 30, "LOC": 60}, "num_tokens": 90_000,
        "num_windows": 1300, "num_model_tokens": 95_000, "num_padded_tokens": 100_000,
        "num_model_loads": 2, "load_seconds": 3.0, "forward_seconds": 50.0,
        "devices": [("cpu", "float32")], "lengths": [0] * len(LENGTH_EDGES),
        "scores": [0] * SCORE_CLASSES, "start_seconds": 8.0, "work_seconds": 3601.5,
        "run_id": "run-a",
        "result": "file:/out/entity_run=run-a",
    }  # fmt: skip
    return Summary(**values | changes)


def make(content=None, config=None, model="bundled@1", errors=None, before=None, **changes):
    run = summary(**changes)
    record = RunRecord(
        run=run.run_id,
        ended="2026-01-02T03:04:05+00:00",
        model=model,
        errors=errors or {},
        documents=run.documents,
        entities=run.entities,
        tokens=run.num_tokens,
        seconds=run.seconds,
    )
    config = config or EnrichConfig(input={"path": "articles"}, output={"path": "out"})
    groups = {group: group for group in run.entities}
    page = Page(make_page(run, record, before, config, content or Content(), groups))
    assert page.open == []  # each element was closed
    return page


def test_the_figures_of_the_run_are_told():
    page = make(failed=3, errors={"longer than x": 3})
    text = " ".join(page.text.split())
    for told in [
        "run-a", "2026-01-02 03:04 UTC", "bundled@1", "1,200", "0.2% of documents",
        "25 over 1:00:00", "longer than x 3", "Padding 5.0%", "PER 30", "LOC 60",
        "Start 8.0 s, model 1.5 s", "cpu in float32",
    ]:  # fmt: skip
        assert told in text, told


def test_power_is_hours_times_watts_times_intensity():
    config = EnrichConfig(report={"watts": 2000, "grams_co2e_per_kwh": 300})
    page = make(config=config, start_seconds=0.0, work_seconds=3600.0)
    assert "2 kWh and 600 g CO2e, for 1:00:00 at 2,000 W and 300 g per kWh" in page.text


def test_a_page_is_called_as_its_input_unless_it_has_a_title():
    titles = [
        make(config=EnrichConfig(input={"path": "/data/articles.parquet"})),
        make(config=EnrichConfig(input={"table": "news.articles"}, report={"title": "May"})),
    ]
    assert [re.search(r"report of a run\s+(\S+)", page.text)[1] for page in titles] == [
        "articles.parquet",
        "May",
    ]


def test_a_run_stands_beside_the_one_before():
    before = RunRecord(
        model="bundled@0", documents=100, failed=2, entities={"PER": 10}, tokens=900, seconds=9.0
    )
    text = " ".join(make(before=before).text.split())
    for told in ["Documents 1,200 100", "Errors 0.0% 2.0%", "PER a document 0.03 0.10"]:
        assert told in text
    assert "LOC a document 0.05 0.00 Tokens/s 25 100 Model bundled@1 bundled@0" in text
    assert "Beside the run before it" not in make().text


def test_a_sample_has_its_id():
    page = make(Content(samples=[Sample(text="Emma", entities=[], id="17")]))
    assert "17Emma" in page.text


def test_the_page_needs_nothing_else_and_runs_no_script():
    page = make(Content(names={"PER": [("Emma", 2)]}, samples=[Sample(text="x", entities=[])]))
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "object"}
    for _, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on") or name in ("src", "href")}
    policies = [a["content"] for _, a in page.elements if "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_whatever_is_told_is_escaped():
    sample = Sample(text=f"{EVIL} en Emma", entities=[(0, len(EVIL), EVIL)])
    content = Content(names={EVIL: [(EVIL, 1)]}, samples=[sample])
    page = make(
        content,
        errors={EVIL: 1},
        config=EnrichConfig(input={"path": EVIL}),
        model=EVIL,
        entities={EVIL: 1},
        run_id=EVIL,
        result=EVIL,
        devices=[(EVIL, EVIL)],
    )
    assert "script" not in {tag for tag, _ in page.elements}
    assert page.text.count(EVIL) >= 10  # as text, wherever it stood


def test_names_and_documents_are_there_when_they_are_asked_for():
    sample = Sample(text="Emma woont in Londen", entities=[(0, 4, "PER"), (14, 20, "LOC")])
    page = make(Content(names={"PER": [("Emma", 7)]}, samples=[sample]))
    marks = [a["class"] for tag, a in page.elements if tag == "mark"]
    assert marks == ["c0", "c1"]  # the colours of their groups
    assert "EmmaPER woont in LondenLOC" in page.text
    assert "This page quotes documents" in page.text
    assert "This page holds no text" in make().text


def test_the_page_of_a_run_that_keeps_some_groups_colours_these():
    run = summary(entities={"LOC": 1})
    config, sample = EnrichConfig(), Sample(text="Londen", entities=[(0, 6, "LOC")])
    content, groups = Content(samples=[sample]), {"PER": "PER", "LOC": "LOC"}
    page = Page(make_page(run, RunRecord(run=run.run_id), None, config, content, groups))
    assert [a["class"] for tag, a in page.elements if tag == "mark"] == ["c0"]


def test_columns_stand_for_the_classes_that_have_documents():
    counts = [0, 2, 0, 8] + [0] * (len(LENGTH_EDGES) - 4)
    page = make(lengths=counts)
    shares = [a["style"] for tag, a in page.elements if "style" in a][2:]  # after two groups
    assert shares == ["--share: 25.0%", "--share: 100.0%"]
    text = re.search(r"Documents by length(.*)Documents of so many", page.text, re.DOTALL)
    assert text[1].split() == ["2", "1", "16", "8", "32"]


def test_a_run_of_nothing_has_a_page_too():
    page = make(
        documents=0, entities={}, num_tokens=0, num_model_tokens=0, num_padded_tokens=0, devices=()
    )
    assert "0.0% of documents" in page.text


def test_settings_that_are_not_the_defaults_are_told_but_none_that_may_hold_addresses():
    config = EnrichConfig(
        input={"path": "in.json", "format": "json", "options": {"header": "geheim"}},
        spark={"config": {"spark.x": "geheim"}},
        output={"path": "out"},
        model={"name": "some/model", "revision": "a" * 40},
        run={"skip_existing": False, "show_documents": 3},
    )
    text = " ".join(make(config=config).text.split())
    assert "input.format json" in text
    assert "model.name some/model" in text
    assert "run.show_documents 3" in text
    assert "input.text_column" not in text
    assert "None" not in text
    assert "geheim" not in text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"input": {"text_columns": ["full text", "title"]}}, "inline(`full text_entities`)"),
        ({"output": {"path": "out", "table": "news.t-1"}}, "FROM `news`.`t-1`"),
    ],
)
def test_names_in_the_query_of_a_page_are_quoted(given, told):
    assert told in make(config=EnrichConfig(**given)).text


def test_a_page_that_cannot_be_saved_costs_no_run(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    save_page(str(tmp_path / "file"), "run-a", "page")
    assert "could not be written" in caplog.text
    save_page(str(tmp_path / "new" / "folder"), "run-a", "page")
    assert (tmp_path / "new" / "folder" / "run-a.html").read_text() == "page"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--output.path out --output.format delta --report.samples 3",
            r"report\.samples=3 with output\.format='delta', .* Set report\.path",
        ),
        ("--report.watts 0", r"report\.watts=.* greater than 0"),
    ],
)
def test_a_report_that_has_no_place_is_refused(flags, message):
    with pytest.raises(ConfigError, match=message):
        read_config(flags.split())


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_what_is_written_is_easy_to_see_by_day_and_by_night():
    style = files("spark_entities.jobs.report").joinpath("page.html").read_text("utf-8")
    themes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--(\w+): #(\w+);", theme))
        inks = {name for name in colours if name in ("ink", "soft", "fault") or name[1:].isdigit()}
        assert len(inks) == 9
        for ink in inks:
            for ground in ("page", "card"):
                pair = sorted(luminance(colours[name]) for name in (ink, ground))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, ground)


def test_the_page_ships_with_the_wheel():
    assert files("spark_entities.jobs.report").joinpath("page.html").is_file()
    setup = (Path(__file__).parents[3] / "setup.py").read_text("utf-8")
    assert '"spark_entities.jobs.report": ["*.html"]' in setup
