import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

from spark_entities.jobs.config import SparkSection
from spark_entities.jobs.spark.session import make_session

# Tests run side by side, and torch's threads spin while they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests are many short lives of Java: to compile less, and to collect on one thread, takes a quarter
# less time; to find Spark's classes as they were kept by `make test`, a quarter again.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
CLASSES = Path(__file__).parents[1] / "build" / "spark-classes.jsa"
if CLASSES.exists():  # Java leaves those of another Java or Spark alone, without a word
    JAVA += f" -XX:SharedArchiveFile={CLASSES} -Xlog:disable"
for name in ("SPARK_SUBMIT_OPTS", "SPARK_DAEMON_JAVA_OPTS"):
    os.environ.setdefault(name, JAVA)

# A deadline would be a timed test, and the machines are noisy.
settings.register_profile("spark-entities", max_examples=250, deadline=None)
settings.load_profile("spark-entities")

# Folders whose files take minutes, the longest first.
LONG = ("gpu", "faults", "spark", "parity")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first: of two processes, none then waits for the other's last file."""
    tests = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(tests).parts[0] if item.path.is_relative_to(tests) else ""
        return LONG.index(folder) if folder in LONG else len(LONG)

    items.sort(key=place)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The one session of the tests, in `local[2]`."""
    config = {
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
        "spark.sql.shuffle.partitions": "4",
    }
    session = make_session(SparkSection(master="local[2]", config=config), "spark-entities tests")
    yield session
    session.stop()
