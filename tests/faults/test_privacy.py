"""Documents that fail are quoted nowhere: not in output, logs, event logs or error columns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.faults.sentinels import (
    DOCUMENT,
    SECRET,
    SECRET_VARIABLE,
    SECRETS,
    event_log,
    find_leaks,
)

COMMAND = Path(sys.executable).with_name("spark-entities")


@pytest.mark.fault("documents that fail", "too long, and not UTF-8; limit and exit status")
@pytest.mark.parametrize(("limit", "status"), [("1", 0), ("0", 1)])
def test_a_document_that_fails_is_quoted_nowhere(spark, tmp_path, limit, status):
    source, events, output = tmp_path / "in", tmp_path / "events", tmp_path / "out"
    text = f"Emma {DOCUMENT} " * 9
    spark.sql(
        f"SELECT '{text}' AS text UNION ALL "
        f"SELECT CAST(X'{text.encode().hex()}ff' AS STRING) UNION ALL SELECT 'Emma'"
    ).write.parquet(str(source))
    config = json.dumps(SECRETS | event_log(events))
    done = subprocess.run(
        [
            COMMAND, "enrich", "--input.path", source, "--output.path", output,
            "--classify.max_document_chars", "50", "--errors.max_failed_fraction", limit,
            "--spark.master", "local[2]", "--spark.config", config,
        ],
        env=os.environ | {SECRET_VARIABLE: SECRET},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert "A document failed: longer than" in done.stderr
    [log] = events.iterdir()
    assert "SparkListenerApplicationEnd" in log.read_text("utf-8")
    assert find_leaks([events, output], done.stdout + done.stderr) == []
    if status == 0:
        rows = pq.read_table(output, columns=["entity_error", "entities"]).to_pylist()
        errors = [row["entity_error"] for row in rows if row["entity_error"]]
        assert errors == ["longer than classify.max_document_chars=50 characters"] * 2
    else:
        assert not output.exists()
