"""Documents that fail are quoted nowhere: not in output, logs, event logs or error columns."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

COMMAND = Path(sys.executable).with_name("spark-entities")
SENTINEL = "zwijgplicht"


@pytest.mark.parametrize(("limit", "status"), [("1", 0), ("0", 1)])
def test_a_document_that_fails_is_quoted_nowhere(spark, tmp_path, limit, status):
    source, events, output = tmp_path / "in", tmp_path / "events", tmp_path / "out"
    events.mkdir()
    text = f"Emma {SENTINEL} " * 9
    spark.sql(
        f"SELECT '{text}' AS text UNION ALL "
        f"SELECT CAST(X'{text.encode().hex()}ff' AS STRING) UNION ALL SELECT 'Emma'"
    ).write.parquet(str(source))
    config = f'{{"spark.eventLog.enabled": "true", "spark.eventLog.dir": "file:{events}"}}'
    done = subprocess.run(
        [
            COMMAND, "enrich", "--input.path", source, "--output.path", output,
            "--classify.max_document_chars", "50", "--errors.max_failed_fraction", limit,
            "--spark.master", "local[2]", "--spark.config", config,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert "A document failed: longer than" in done.stderr
    assert SENTINEL not in done.stdout + done.stderr
    logs = [path.read_bytes() for path in events.rglob("*") if path.is_file()]
    assert sum(map(len, logs)) > 10_000
    assert not any(SENTINEL.encode() in log for log in logs)
    if status == 0:
        rows = pq.read_table(output, columns=["entity_error", "entities"]).to_pylist()
        errors = [row["entity_error"] for row in rows if row["entity_error"]]
        assert errors == ["longer than classify.max_document_chars=50 characters"] * 2
    else:
        assert not output.exists()
