"""Words that stand in documents, ids and secrets, and are looked for everywhere else."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.request import urlopen

from pyspark.sql import SparkSession

DOCUMENT, IDENTIFIER, SECRET = "zwijgplicht", "klokkenluider", "sleutelbos"
SECRET_VARIABLE = "SPARK_ENTITIES_TEST_SECRET"  # environment variable that holds the secret
SECRETS = dict.fromkeys(
    ("spark.hadoop.fs.s3a.secret.key", "spark.test.api_key", "spark.test.pwd"),
    f"env:{SECRET_VARIABLE}",
)


def text_of(row: object) -> str:
    """Return a document in which Emma and Londen are found, too."""
    return f"Emma woont in Londen, {DOCUMENT} {row}"


def event_log(folder: Path) -> dict[str, str]:
    """Return the settings of an event log that can be read here, in a folder that is made."""
    folder.mkdir()
    return {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.dir": f"file:{folder}",
    }


def find_leaks(places: Iterable[Path], said: str = "") -> list[str]:
    """Tell where a sentinel stands: in files, but for results in Parquet, or in output."""
    files = [path for place in places for path in [place, *place.rglob("*")] if path.is_file()]
    texts = {
        str(path): path.read_bytes().decode("utf-8", "replace")
        for path in files
        if ".parquet" not in path.name
    }
    return [
        f"{word} in {name}"
        for name, text in {**texts, "output": said}.items()
        for word in (DOCUMENT, IDENTIFIER, SECRET)
        if word in text
    ]


def save_interface(spark: SparkSession, folder: Path) -> int:
    """Save what Spark's UI tells of a session, by its API and by its pages; returns how much."""
    context = spark.sparkContext
    pages = [
        f"api/v1/applications/{context.applicationId}/{name}"
        for name in (
            "environment",
            "jobs",
            "stages?details=true&withSummaries=true",
            "allexecutors",
            "sql?details=true&planDescription=true&length=1000",
            "storage/rdd",
        )
    ]
    pages += ["jobs/", "stages/", "environment/", "executors/", "SQL/"]
    folder.mkdir()
    saved = 0
    for number, page in enumerate(pages):
        with urlopen(f"{context.uiWebUrl}/{page}", timeout=60) as answer:
            saved += (folder / f"{number}.txt").write_bytes(answer.read())
    queries = json.loads((folder / "4.txt").read_text("utf-8"))
    for query in queries:
        with urlopen(f"{context.uiWebUrl}/SQL/execution/?id={query['id']}", timeout=60) as answer:
            saved += (folder / f"query-{query['id']}.txt").write_bytes(answer.read())
    return saved


def save_commands(folder: Path) -> int:
    """Save the command lines of this process and of those that it started; returns how many."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = re.search(r"PPid:\s*(\d+)", status.read_text("utf-8"))
            parents[int(status.parent.name)] = int(parent[1]) if parent else 0
        except OSError:
            continue  # it has ended
    family = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    folder.mkdir()
    for pid in family:
        try:
            (folder / str(pid)).write_bytes(Path(f"/proc/{pid}/cmdline").read_bytes())
        except OSError:
            continue
    return len(family)
