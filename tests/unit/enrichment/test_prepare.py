import os

import pytest

from spark_entities.jobs.enrichment.prepare import check_folder
from spark_entities.udfs.errors import ConfigError


def test_a_folder_that_cannot_hold_pages_is_refused_and_none_is_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below"):
        with pytest.raises(ConfigError, match=r"report\.path=.* cannot be written to \(Not a dir"):
            check_folder("report.path", str(tmp_path / place))
    check_folder("report.path", str(tmp_path / "a" / "b"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    access = os.access  # root may write anywhere
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK and access(path, mode))
    with pytest.raises(ConfigError, match=r"\(Permission denied\)\. Give another"):
        check_folder("report.path", str(tmp_path / "a" / "b"))
