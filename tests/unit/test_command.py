import pytest

from spark_entities.jobs.command import run_program
from spark_entities.udfs.errors import ConfigError, PublishError


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ConfigError("a.b=1 is odd."), 2, "refused: a.b=1 is odd."),
        (PublishError("lost 2 rows"), 1, "failed: lost 2 rows"),
    ],
)
def test_what_was_foreseen_says_why(capsys, error, status, line):
    assert run_program(lambda: fail(error)) == status
    assert capsys.readouterr().err == f"{line}\n"


def test_what_was_not_foreseen_is_one_line_without_its_message(capsys, monkeypatch):
    monkeypatch.delenv("SPARK_ENTITIES_TRACEBACK", raising=False)
    assert run_program(lambda: fail(KeyError("Emma woont in Londen"))) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("failed: KeyError at command.py:")
    assert line.endswith("SPARK_ENTITIES_TRACEBACK=1 shows its traceback.")


def test_its_traceback_is_shown_where_it_is_wanted(capsys, caplog, monkeypatch):
    monkeypatch.setenv("SPARK_ENTITIES_TRACEBACK", "1")
    assert run_program(lambda: fail(KeyError("Emma woont in Londen"))) == 1
    assert "Emma" not in capsys.readouterr().err
    assert "Emma woont in Londen" in caplog.text
