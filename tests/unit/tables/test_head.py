import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_entities.jobs.config import InputSection, SparkSection
from spark_entities.jobs.tables import head
from spark_entities.jobs.tables.head import read_head

TEXTS = ["Emma woont in Londen.", None, "ë, «é» 😀", *"abcdefghij"]
ROWS = [{"id": i, "source": {"name": text}, "text": text} for i, text in enumerate(TEXTS)]
HEADER = {"header": "true"}


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """No session is there, and no Spark is configured on this machine."""
    monkeypatch.setattr(head, "is_plain", lambda section: section.master is None)


@pytest.fixture
def folder(tmp_path):
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in ROWS]
    (tmp_path / "a.json").write_bytes(b"\n".join(lines))
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    (tmp_path / "a.csv").write_bytes(
        b"id,text\n"
        + "\n".join(f'{i},"{t}"' if t else f"{i}," for i, t in enumerate(TEXTS)).encode()
    )
    (tmp_path / "a.txt").write_text("\n".join(text or "" for text in TEXTS), "utf-8")
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    (tmp_path / "parts").mkdir()
    for part in (0, 1):
        pq.write_table(pa.table({"text": [*("ab", "cd")[part]]}), tmp_path / f"parts/{part}")
    (tmp_path / "parts" / "_SUCCESS").touch()
    return tmp_path


def read(path, kind, count=10, added=(), spark=None, **given):
    section = InputSection(path=str(path), format=kind, **given)
    return read_head(section, SparkSection(master=spark), count, added)


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("a.json", "json", {}),
        ("a.json.gz", "json", {}),
        ("*.json", "json", {}),
        ("a.csv", "csv", HEADER),
        ("a.parquet", "parquet", {}),
    ],
)
def test_the_first_texts_of_each_format_are_read(folder, name, kind, options):
    assert read(folder / name, kind, options=options) == [(text,) for text in TEXTS[:10]]
    assert read(folder / name, kind, count=99, options=options) == [(text,) for text in TEXTS]


def test_a_line_of_a_text_file_is_a_document(folder):
    assert read(folder / "a.txt", "text", 3) == [(text or "",) for text in TEXTS[:3]]


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_fields_of_structs_are_read_beside_columns(folder, kind):
    rows = read(folder / f"a.{kind}", kind, 2, text_columns=["source.name", "text"])
    assert rows == [(TEXTS[0], TEXTS[0]), (None, None)]


def test_files_of_a_folder_are_read_until_there_is_enough(folder):
    assert read(folder / "parts", "parquet", 3) == [("a",), ("b",), ("c",)]
    assert read(folder / "parts", "parquet", 9) == [("a",), ("b",), ("c",), ("d",)]


def test_no_more_than_the_beginning_of_a_file_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(head, "_HEAD_BYTES", 40)
    (tmp_path / "a.json").write_text(
        '{"text": "a"}\n{"text": "b"}\n{"text": "c", cut off, or mangled'
    )
    assert read(tmp_path / "a.json", "json") == [("a",), ("b",)]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("none", {"kind": "json"}),
        ("a.json", {"kind": "json", "text_column": "title"}),
        ("a.json", {"kind": "json", "text_column": "id"}),
        ("a.json", {"kind": "json", "text_column": "source.no"}),
        ("a.json", {"kind": "json", "text_column": "no.name"}),
        ("a.json", {"kind": "json", "columns": ["no"]}),
        ("a.json", {"kind": "json", "added": ["ID"]}),
        ("a.json", {"kind": "json", "where": "id = 1"}),
        ("a.json", {"kind": "json", "options": {"multiLine": "true"}}),
        ("a.json", {"kind": "json", "spark": "yarn"}),
        ("a.parquet", {"kind": "json"}),
        ("a.json", {"kind": "parquet"}),
        ("a.json", {"kind": "orc"}),
        ("a.csv", {"kind": "csv"}),
    ],
)
def test_what_is_odd_is_left_to_spark(folder, name, given):
    assert read(folder / name, **given) is None


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("json", b""),
        ("json", b'{"text": "a"}\n{"text": '),
        ("json", b'{"text": "\xff"}'),
        ("text", b"\xff"),
        ("csv", b'text\n"a ""b"" c"'),
        ("csv", b'text\n"a\nb"'),
        ("csv", b'text\n"a\\"b"'),
        ("csv", b"text,id\na"),
    ],
)
def test_lines_that_spark_may_read_otherwise_are_left_to_it(tmp_path, kind, content):
    (tmp_path / "a").write_bytes(content)
    assert read(tmp_path / "a", kind, options=HEADER if kind == "csv" else {}) is None
