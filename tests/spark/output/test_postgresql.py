"""PostgreSQL in and out, where a server and its JDBC driver are installed."""

from pathlib import Path

import pytest

from tests.support.processes import run_module

DRIVER = Path("/usr/share/java/postgresql.jar")  # Debian: libpostgresql-jdbc-java
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
FOUND = [(0, "Emma"), (0, "Londen"), (2, "Eindhoven"), (2, "Philips")]


@pytest.mark.slow
@pytest.mark.skipif(not (DRIVER.exists() and BINARIES), reason="PostgreSQL is not installed")
def test_documents_of_postgresql_become_its_mentions():
    result = run_module("tests.support.postgresql", str(DRIVER), str(BINARIES[-1]))
    assert result["partitions"] == 4
    assert result["statuses"] == [0, 0, 2, 0, 1]
    found = [(number + more, word) for more in (0, 4) for number, word in FOUND]
    runs = {run: [[run, *each] for each in found] for run in ("run-a", "run-b", "run-c")}
    assert result["both"] == runs["run-a"] + runs["run-b"]
    assert result["last"] == runs["run-c"]
    assert "SQLState 23514" in result["told"]
    assert "Londen" not in result["told"]
    assert "value too long" in result["overflow"]
    assert "Londen" not in result["overflow"]
