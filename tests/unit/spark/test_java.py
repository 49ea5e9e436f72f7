"""How a Java that is started logs: by our file, unless someone has one."""

import io
import os
import sys

from rich.console import Console

from spark_entities.jobs.spark import java, phases

OPTIONS = "SPARK_SUBMIT_OPTS"


def test_options_of_others_stand_after_ours_and_are_left_as_they_were(monkeypatch):
    monkeypatch.setenv(OPTIONS, "-Dlog4j2.configurationFile=theirs")
    with java._quiet_log():
        ours, theirs = os.environ[OPTIONS].split()
    assert ours.startswith("-Dlog4j2.configurationFile=file:///")
    assert ours.endswith("/jobs/spark/log4j2.properties")
    assert theirs == os.environ[OPTIONS] == "-Dlog4j2.configurationFile=theirs"


def test_where_spark_has_a_log4j_file_that_is_taken(monkeypatch, tmp_path):
    (tmp_path / "log4j2.xml").touch()
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    monkeypatch.setenv(OPTIONS, "-Xmx1g")
    with java._quiet_log():
        assert os.environ[OPTIONS] == "-Xmx1g"


def test_what_java_prints_beside_a_live_line_is_a_line_above_it(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with java._standard_error() as stderr:
        assert stderr is None  # nobody is told, or not by a live line: it is ours
    phases.begin_phases(Console(force_terminal=True, width=120, file=io.StringIO()))
    with java._standard_error() as stderr:
        os.write(stderr, f"{java._OF_NO_USE}\nERROR Executor: lost\n".encode())
    for reader in [each for each in java.threading.enumerate() if each.name == "java"]:
        reader.join(60)
    phases.end_phases()
    assert screen.getvalue() == "ERROR Executor: lost\n"
