import re

import pytest

from spark_entities.jobs.config import EnrichConfig, read_config
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions


def test_sections_take_the_options_of_the_engine():
    config = EnrichConfig(classify=ClassifyOptions(stride=3))
    assert config.classify == ClassifyOptions(stride=3)
    assert type(config.classify) is ClassifyOptions


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("out[1]", "which Spark reads as a pattern"),
        ("o*/x", "which Spark reads as a pattern"),
        ("{a,b}", "which Spark reads as a pattern"),
        ("o.staging-x", "and clear away"),
        ("/a/o.replaced-run-b/", "and clear away"),
        ("o.incremental", "and clear away"),
        ("file://localhost/out", "names a host"),
        ("/", "is the root of a file system"),
        ("//", "is the root of a file system"),
        ("file:///", "is the root of a file system"),
        ("hdfs://host:8020/", "is the root of a file system"),
        ("s3a://bucket", "is the root of a file system"),
        ("out/2024-01-01T10:00:00", "has a colon in its last part"),
    ],
)
@pytest.mark.parametrize(
    ("key", "more"),
    [
        ("output.path", ()),
        ("output.staging_path", ("--output.table", "t", "--output.format", "delta")),
        ("errors.quarantine_path", ("--errors.policy", "quarantine")),
    ],
)
def test_a_path_that_would_be_taken_for_something_else_is_refused(path, reason, key, more):
    wanted = f"{re.escape(f'{key}={path!r}')} .*{reason}.*Choose another name"
    with pytest.raises(ConfigError, match=wanted):
        read_config([f"--{key}", path, *more])


@pytest.mark.parametrize(
    "path",
    ["out", "/a/b.c-d", "file:///x", "file:/10:00/x", "s3a://b/o", "o.staging", "/a/x.staging-b/o"],
)
def test_other_paths_may_be_written_to(path):
    assert read_config(["--output.path", path]).output.path == path


@pytest.mark.parametrize("name", ["NaN", "Infinity"])
def test_a_run_is_not_called_as_a_number(name):
    with pytest.raises(ConfigError, match=f"run.id='{name}' .*read as a number"):
        read_config(["--run.id", name])
    assert read_config(["--run.id", f"{name}s"]).run.id == f"{name}s"
