"""Where a run reads and writes: places that overlap are refused, however they are spelled."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spark_entities.jobs.config import EnrichConfig, InputSection, OutputSection
from spark_entities.jobs.enrichment.places import (
    check_apart,
    local_place,
    places_of_input,
    places_of_output,
)
from spark_entities.jobs.output.publish import find_output
from spark_entities.jobs.tables.result_columns import ResultColumns
from spark_entities.udfs.errors import ConfigError

COLUMNS = ResultColumns.of(EnrichConfig(), [])
FOLDERS = ["a", "a/b", "a/b/c", "a/d", "ab", "e", "e/b"]
LINKS = {"to_b": "a/b", "e/up": "..", "a/d/over": "e"}  # a name, and the folder it leads to
NAMES = ["a", "ab", "b", "c", "d", "e", "up", "over", "to_b", "new"]
GLOBS = ["*", "a*", "?", "[a-d]", "{a,e}", "{ab,to_b}", "[^e]"]
names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)
patterns = st.lists(st.sampled_from(NAMES + GLOBS), min_size=1, max_size=3)
spellings = st.sampled_from(["{0}/{1}", "{0}//{1}/", "file:{0}/{1}", "file://{0}/e/../{1}"])


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Folders, each with a document, and links between them."""
    made = tmp_path_factory.mktemp("places")
    for folder in FOLDERS:
        (made / folder).mkdir()
        (made / folder / "document.json").write_text('{"text": ""}')
    for link, target in LINKS.items():
        (made / link).symlink_to(made / target)
    return made


def python_globs(pattern: str) -> list[str]:
    """The pattern in globs of Python, which has no braces."""
    before, brace, rest = pattern.partition("{")
    if not brace:
        return [pattern.replace("[^", "[!")]
    inner, _, after = rest.partition("}")
    return [each for name in inner.split(",") for each in python_globs(before + name + after)]


def files_below(place: str) -> set[Path]:
    """All files that are in a place, with those that links lead to."""
    found, left, seen = set(), [Path(place).resolve()], set()
    while left:
        path = left.pop()
        if path.is_file():
            found.add(path)
        elif path.is_dir() and path not in seen:
            seen.add(path)
            left += [each.resolve() for each in path.iterdir()]
    return found


def overlap(read: list[str], written: str) -> bool:
    """Whether what is written would be read, or what is read would be overwritten: it is tried."""
    made = [path for path in (Path(written), *Path(written).parents) if not path.exists()]
    Path(written).mkdir(parents=True, exist_ok=True)
    try:
        probe = Path(written) / "probe"
        probe.touch()
        matched = [path for pattern in read for path in Path("/").glob(pattern[1:])]
        seen = set().union(*map(files_below, map(str, matched)))
        inside = Path(written).resolve()
        return any(path.is_relative_to(inside) for path in {*seen, *map(Path.resolve, matched)})
    finally:
        probe.unlink()
        for path in made:
            path.rmdir()


@pytest.mark.fault("places that overlap", "by links, patterns, braces and spellings, at random")
@settings(max_examples=80)
@example(["{ab,to_b}", "a"], ["to_b", "a"], "{0}/{1}", "{0}/{1}")  # a link in what is matched
@given(read=patterns, written=names, spelling=spellings, other=spellings)
def test_no_output_is_accepted_that_the_input_overlaps(spark, root, read, written, spelling, other):
    pattern, path = "/".join(read), "/".join(written)
    tried = [f"{root}/{each}" for each in python_globs(pattern)]
    wanted = overlap(tried, f"{root}/{path}")
    section = InputSection(path=spelling.format(root, pattern), format="json")
    output = find_output(spark, OutputSection(path=other.format(root, path)), COLUMNS)
    documents = spark.createDataFrame([], "text string")
    places = [*places_of_input(documents, section)], [*places_of_output("output.path", output)]
    if wanted:
        with pytest.raises(ConfigError, match="lie in one another"):
            check_apart(spark, *places)
    elif not {*read} & {*GLOBS} and (root / pattern).exists():  # what is not there may come to be
        check_apart(spark, *places)


@pytest.mark.fault("places that overlap", "two outputs, or pages, spelled at random")
@settings(max_examples=50)
@given(first=names, second=names, spelling=spellings)
def test_no_two_places_to_write_to_are_accepted_in_one_another(
    spark, root, first, second, spelling
):
    one, two = (os.path.realpath(root.joinpath(*each)) for each in (first, second))
    apart = os.path.commonpath([one, two]) not in (one, two)
    sections = [
        OutputSection(path=spelling.format(root, "/".join(each))) for each in (first, second)
    ]
    outputs = [find_output(spark, section, COLUMNS) for section in sections]
    keys = "output.path", "errors.quarantine_path"
    written = [p for key, o in zip(keys, outputs, strict=True) for p in places_of_output(key, o)]
    pages = [local_place("report.path", "", root.joinpath(*second))]
    for places in (written, written[:2] + pages):
        if apart:
            check_apart(spark, [], places)
        else:
            with pytest.raises(ConfigError, match="lie in one another"):
                check_apart(spark, [], places)


def test_all_that_is_local_lies_in_the_root(spark, root):
    documents = spark.createDataFrame([], "text string")
    output = find_output(spark, OutputSection(path=f"{root}/out"), COLUMNS)
    written = [*places_of_output("output.path", output)]
    for section in (InputSection(path="/"), InputSection(path="file:///")):
        with pytest.raises(ConfigError, match="lie in one another"):
            check_apart(spark, [*places_of_input(documents, section)], written)
    with pytest.raises(ConfigError, match="lie in one another"):
        check_apart(spark, [], [*written, local_place("report.path", "/", "/")])


@pytest.mark.parametrize("path", ["{}/to_root", "{}/" + "../" * 20, "file:/a/.."])
def test_a_root_is_no_output_whatever_it_is_called(spark, root, path):
    (root / "to_root").unlink(missing_ok=True)
    (root / "to_root").symlink_to("/")
    output = find_output(spark, OutputSection(path=path.format(root)), COLUMNS)
    with pytest.raises(
        ConfigError, match=r"output\.path=.* is the root of a file system \(file:/\)"
    ):
        [*places_of_output("output.path", output)]
