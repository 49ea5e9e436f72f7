from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from jobs.config import SparkSection
from jobs.session import make_session


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
