"""Who reads an output while it is replaced: the old run whole, the new run whole, or nothing."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spark_entities.jobs.enrich import main
from spark_entities.jobs.output.filesystem import FileSystem

ROWS = 6


def write_documents(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"id": f"{name}-{row}", "text": "Emma."}) for row in range(ROWS)]
    (folder / "in.json").write_text("\n".join(lines))


class Reader:
    """Lists an output again and again, and reads all that it has listed so far."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.listings: list[list[Path]] = []
        self.seen: set[tuple[str, ...]] = set()

    def look(self) -> None:
        """List now what readers of tables do, and read what was listed now and before."""
        self.listings.append(sorted(self.output.glob("entity_run=*/[!._]*.parquet")))
        for files in self.listings:
            try:
                rows = [row for file in files for row in pq.read_table(file)["id"].to_pylist()]
            except FileNotFoundError:
                rows = ["gone"]
            self.seen.add(tuple(sorted(rows)))


@pytest.mark.fault("readers during an overwrite", "they list and read before and after each rename")
def test_a_reader_sees_the_old_run_or_the_new_one_whole_or_nothing(tmp_path, monkeypatch):
    flags = ["--input.path", str(tmp_path / "in"), "--input.format", "json"]
    flags += ["--output.path", str(tmp_path / "out"), "--output.mode", "overwrite"]
    flags += ["--input.min_partitions", "3"]
    write_documents(tmp_path / "in", "old")
    assert main(flags) == 0
    write_documents(tmp_path / "in", "new")
    reader = Reader(tmp_path / "out")
    for name in ("rename", "delete"):
        real = getattr(FileSystem, name)

        def watched(*arguments, real=real) -> None:
            reader.look()
            real(*arguments)
            reader.look()

        monkeypatch.setattr(FileSystem, name, watched)
    assert main(flags) == 0
    old, new = (tuple(f"{name}-{row}" for row in range(ROWS)) for name in ("old", "new"))
    assert reader.seen == {old, new, (), ("gone",)}
