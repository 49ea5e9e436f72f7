"""What `enrich` refuses, `check` refuses too, in the same words, before anything is written."""

import ast
import json
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark import SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from spark_entities.jobs import check, command, enrich
from spark_entities.jobs.output import lock
from spark_entities.jobs.output.filesystem import FileSystem
from spark_entities.jobs.spark import java
from spark_entities.udfs.checkpoint import BUNDLED_FOLDER
from tests.support.ledger import Ledger

ROOT = Path(__file__).parents[2]
ROOMS = ("spark", "tables", "output", "enrichment")
LEFT = ".out.replaced-run-b"
RECORD = "out/entity_run=run-a/_run.json"
INPUT = ("--input.path", "{}/in", "--input.format", "json")
COMMON = (*INPUT, "--output.path", "{}/out")

Stands = Callable[[Path, SparkSession], AbstractContextManager[object] | None]


def write(path: Path, content: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def nothing(folder: Path, spark: SparkSession) -> None:
    """There is nothing but the input."""


def standing(path: str, content: str = "") -> Stands:
    """There is a file."""
    return lambda folder, spark: write(folder / path, content)


def link_to(name: str) -> Stands:
    """There is a folder, and a link to it."""

    def stand(folder: Path, spark: SparkSession) -> None:
        (folder / name).mkdir()
        (folder / "link").symlink_to(folder / name)

    return stand


class Case:
    """What is asked for, what stands in the folder `{}`, and what is said then."""

    def __init__(self, words: str, *flags: str, stands: Stands = nothing, **environment: str):
        self.words, self.stands, self.environment = words, stands, environment
        self.flags = (*(INPUT if "jdbc" in flags else COMMON), *flags)


def stand_by_table(folder: Path, spark: SparkSession) -> None:
    spark.sql("DROP TABLE IF EXISTS elsewhere")
    spark.range(1).write.option("path", str(folder / "other")).saveAsTable("elsewhere")


def write_table(folder: Path, spark: SparkSession) -> None:
    spark.sql("DROP TABLE IF EXISTS both")
    rows = spark.createDataFrame([("Emma",)], "word string")
    rows.write.option("path", str(folder / "both")).saveAsTable("both")


def write_maps(folder: Path, spark: SparkSession) -> None:
    rows = spark.createDataFrame([({"a": "b"}, "Emma")], "key map<string,string>, text string")
    rows.write.parquet(str(folder / "maps"))


def write_parquet(**columns: pa.Array) -> Stands:
    """There is a Parquet file of a text and another column, whose values Spark has not written."""

    def stand(folder: Path, spark: SparkSession) -> None:
        (folder / "files").mkdir()
        table = pa.table({"text": ["Emma."], **columns})
        pq.write_table(table, folder / "files" / "a.parquet")

    return stand


def make_view(spark: SparkSession) -> None:
    view = spark.sql("SELECT 'Emma.' AS text, make_interval(1, 2, 3) AS every")
    view.createOrReplaceTempView("intervals")


def make_collated(spark: SparkSession) -> None:
    view = spark.sql("SELECT 'Emma.' AS text, 'nl' COLLATE UNICODE AS lang")
    view.createOrReplaceTempView("collated")


@contextmanager
def without_java() -> Iterator[None]:
    """No Java runs, and none starts."""
    ended = PySparkRuntimeError(errorClass="JAVA_GATEWAY_EXITED", messageParameters={})
    fails = mock.Mock(side_effect=ended)
    with (
        mock.patch.object(java, "launch_gateway", fails),
        mock.patch.object(SparkContext, "_gateway", None),
    ):
        yield


def change_header(folder: Path) -> None:
    write(folder / "tables" / "a.csv", "id,text\n1,Emma\n")
    csv = "--input.format", "csv", "--input.options", '{"header": "true"}'
    publish(folder, *INCREMENTAL, "--input.path", f"{folder}/tables", *csv)
    write(folder / "tables" / "a.csv", "Emma,text\n1,Emma\n")


def stand_by_ledger(folder: Path, spark: SparkSession) -> None:
    spark.dataSource.register(Ledger)
    (folder / "out").mkdir()


def stand_in_database(folder: Path, spark: SparkSession, rows: int) -> None:
    properties = spark._jvm.java.lang.System
    properties.setProperty("derby.stream.error.file", str(folder / "derby.log"))
    df = spark.createDataFrame([("Emma",)] * rows, "word string")
    df.write.mode("overwrite").jdbc(f"jdbc:derby:memory:{folder.name};create=true", "mentions")


def publish(folder: Path, *flags: str) -> None:
    common = [each.format(folder) for each in COMMON]
    assert enrich.main([*common, *flags]) == command.DONE


def publish_apart(folder: Path, spark: SparkSession) -> None:
    publish(folder, *(each.format(folder) for each in APART))


def publish_other_ids(folder: Path, spark: SparkSession) -> None:
    publish(folder)
    write(folder / "in" / "documents.json", json.dumps({"id": "a", "text": "Emma"}))


def publish_of_one_column(folder: Path, spark: SparkSession) -> None:
    publish(folder)
    write(folder / "in" / "more.json", '{"id": 2, "text": "", "more": ""}')


def share_a_column(folder: Path, spark: SparkSession) -> None:
    shutil.copytree(BUNDLED_FOLDER, folder / "model")
    config = json.loads((folder / "model" / "config.json").read_text())
    labels = {"3": "B-x y", "4": "I-x y", "5": "B-x-y", "6": "I-x-y"}
    config["id2label"] |= labels
    (folder / "model" / "config.json").write_text(json.dumps(config))


def link_out_of_input(folder: Path, spark: SparkSession) -> None:
    (folder / "results").mkdir()
    (folder / "in" / "more").symlink_to(folder / "between")
    (folder / "between").mkdir()
    (folder / "between" / "link").symlink_to(folder / "results")


def copy_model(place: str) -> Stands:
    """There is a copy of the model."""

    def stand(folder: Path, spark: SparkSession) -> None:
        shutil.copytree(BUNDLED_FOLDER, folder / place)

    return stand


def publish_increment(*, then: Callable[[Path], None]) -> Stands:
    """Something becomes of what an incremental run has left."""

    def stand(folder: Path, spark: SparkSession) -> None:
        publish(folder, *INCREMENTAL)
        then(folder)

    return stand


def cut_off(pattern: str) -> Callable[[Path], None]:
    """A file is half of what it was."""

    def cut(folder: Path) -> None:
        [path] = folder.glob(pattern)
        path.write_text(path.read_text()[: len(path.read_text()) // 2])

    return cut


def hold_lock(folder: Path, spark: SparkSession) -> AbstractContextManager[object]:
    return lock.hold(FileSystem(spark, str(folder)), f"file:{folder}/.out.lock", "run-b")


@contextmanager
def in_the_c_locale(folder: Path, spark: SparkSession) -> Iterator[None]:
    """Java was started in it, and there is a file whose name it does not know."""
    write(folder / "in" / "één.json", json.dumps({"id": 2, "text": "Emma."}))
    properties = spark._jvm.java.lang.System
    before = properties.setProperty("sun.jnu.encoding", "ANSI_X3.4-1968")
    yield
    properties.setProperty("sun.jnu.encoding", before)


PARQUET = ("--input.path", "{}/files", "--input.format", "parquet")
INCREMENTAL = ("--run.mode", "incremental", "--output.mode", "append")
MENTIONS = ("--output.layout", "mentions", "--input.id_column")
APART = (
    *("--run.id", "run-a", "--errors.policy", "quarantine"),
    *("--errors.quarantine_path", "{}/apart"),
)
SKIP = ("--run.skip_existing", "true", "--output.mode", "append", "--input.id_column")
INTO_DATABASE = (
    *("--output.format", "jdbc", "--output.table", "mentions"),
    *("--output.staging_path", "{}/stage", *MENTIONS, "id", "--output.options"),
)
DERBY = '{{"url": "jdbc:derby:memory:{name}"}}'
CASES = {
    "a key that is none": Case("classify.strid is an unknown key", "--classify.strid", "5"),
    "a stride too long": Case("Set classify.stride to 0..509", "--classify.stride", "510"),
    "no model": Case("is not a folder on this machine", "--model.name", "/no/such/model"),
    "groups that share a column": Case(
        "would share the column entities_x_y", "--model.name", "{}/model", stands=share_a_column
    ),
    "no input": Case("input.path='', input.table=None: give exactly one", "--input.path", ""),
    "two inputs": Case("give exactly one of them", "--input.table", "documents"),
    "no output": Case("output.path is missing", "--output.path", ""),
    "Spark Connect": Case("is a Spark Connect server", "--spark.master", "sc://nowhere"),
    "two places": Case(
        "name two places to run at",
        *("--spark.master", "local[1]"),
        SPARK_REMOTE="sc://nowhere",
    ),
    "no Java": Case("Java is missing", PATH="/nowhere", JAVA_HOME=""),
    "a secret of Spark": Case(
        "refers to nothing", "--spark.config", '{{"spark.some.password": "env:NO_SUCH"}}'
    ),
    "a secret of the input": Case(
        "refers to nothing", "--input.options", '{{"password": "env:NO_SUCH"}}'
    ),
    "a secret of the output": Case(
        "refers to nothing", "--output.options", '{{"password": "env:NO_SUCH"}}'
    ),
    "a master that is none": Case("spark.master=lokal[2] is none", "--spark.master", "lokal[2]"),
    "memory that is no size": Case(
        "spark.driver.memory=lots is not a size",
        *("--spark.config", '{{"spark.driver.memory": "lots"}}'),
    ),
    "a Java that does not start": Case(
        "Java does not start, and says why above",
        stands=lambda folder, spark: without_java(),
    ),
    "a preflight error": Case(
        "[no-worker-reuse]", "--spark.config", '{{"spark.python.worker.reuse": "false"}}'
    ),
    "no number": Case("is not a number", "--spark.config", '{{"spark.task.cpus": "all"}}'),
    "no size": Case(
        "is not a size", "--spark.config", '{{"spark.executor.pyspark.memory": "much"}}'
    ),
    "no folder for pages": Case(
        "cannot be written to (Not a directory)",
        *("--report.path", "{}/file"),
        stands=standing("file"),
    ),
    "an input that is not there": Case("cannot be read as json", "--input.path", "{}/none"),
    "a table that is not there": Case(
        "input.table='nowhere' cannot be read (TABLE_OR_VIEW_NOT_FOUND). Check the name, which is "
        "looked up in spark_catalog",
        *("--input.path", "", "--input.table", "nowhere"),
    ),
    "a file of another format": Case(
        "Did you mean input.format=json?", "--input.format", "parquet"
    ),
    "a file of another format, compressed": Case(
        "Did you mean input.format=csv?",
        *("--input.path", "{}/tables/a.csv.gz", "--input.format", "parquet"),
        stands=standing("tables/a.csv.gz", "id,text"),
    ),
    "a database that is not there": Case(
        "the database does not give this table",
        *("--output.path", "{}/out", "--input.path", "", "--input.format", "jdbc"),
        "--input.options",
        '{{"url": "jdbc:derby:memory:none", "dbtable": "t"}}',
    ),
    "names that Java does not know": Case(
        "Java runs with ANSI_X3.4-1968, in which it passes over them", stands=in_the_c_locale
    ),
    "a column of nanoseconds": Case(
        "It has columns (at) of type INT64 (TIMESTAMP(NANOS,false)). Set spark.sql.legacy.parq",
        *PARQUET,
        stands=write_parquet(at=pa.array([1], pa.timestamp("ns"))),
    ),
    "a column of a time of day": Case(
        "It has columns (at) of type INT32 (TIME(MILLIS,false)), which this Spark does not read",
        *PARQUET,
        stands=write_parquet(at=pa.array([1], pa.time32("ms"))),
    ),
    "a column that stands twice": Case(
        "The column `text` stands there twice",
        *PARQUET,
        stands=write_parquet(Text=pa.array(["Emma"])),
    ),
    "a file that is no Parquet": Case(
        "cannot be read as parquet", *PARQUET, stands=standing("files/a.parquet")
    ),
    "files without a byte": Case(
        "is not a column of the input, which has none: its files are empty",
        *("--input.path", "{}/empty"),
        stands=standing("empty/a.json"),
    ),
    "a column that cannot be written": Case(
        "column 'every' is of type interval, which Parquet does not hold",
        *("--input.path", "", "--input.table", "intervals"),
        stands=lambda folder, spark: make_view(spark),
    ),
    "files beside parts": Case(
        "others beside these, which Spark would pass over",
        stands=standing("in/month=05/a.json", '{"text": ""}'),
    ),
    "no text column": Case("is not a column of the input", "--input.text_column", "body"),
    "a text column of numbers": Case("is of type bigint, not", "--input.text_column", "id"),
    "a column that is added": Case(
        "already has the columns Entities",
        stands=standing("in/a.json", '{"text": "", "Entities": 1}'),
    ),
    "no column of parts": Case(
        "output.partition_by='month' is not a column", "--output.partition_by", '["month"]'
    ),
    "parts by text": Case("Its values name folders", "--output.partition_by", '["text"]'),
    "no column of several": Case(
        "input.text_columns='body' is not a column", "--input.text_columns", "text,body"
    ),
    "no field of a struct": Case(
        "input.text_column='source.title' is not a column",
        *("--input.text_column", "source.title"),
        stands=standing("in/a.json", '{"text": "", "source": {"name": ""}}'),
    ),
    "texts that would share a column": Case(
        "'source.name' and 'source_name' would share the column source_name_entities",
        *("--input.text_columns", "source.name,source_name"),
    ),
    "no column to carry along": Case(
        "input.columns='date' is not a column", "--input.columns", '["date"]'
    ),
    "a condition on no column": Case(
        "cannot be used (UNRESOLVED_COLUMN.WITH_SUGGESTION). Give a condition in Spark's SQL, such "
        "as \"lang = 'nl'\", on columns of the input: id, text.",
        *("--input.where", "lang = 'nl'"),
    ),
    "a condition that is none": Case(
        "cannot be used (DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN)", "--input.where", "id + 1"
    ),
    "a condition that is met by chance": Case(
        "is not the same each time", "--input.where", "rand() < 0.5"
    ),
    "a group that the model does not know": Case(
        "classify.labels names 'PERS'", "--classify.labels", "PERS"
    ),
    "a group to redact that it does not know": Case(
        "redact.groups names 'PERS'", "--redact.groups", "PERS"
    ),
    "no key of pseudonyms": Case(
        "redact.key=env:NO_SUCH_KEY refers to nothing",
        *("--redact.groups", "PER", "--redact.style", "pseudonym"),
        *("--redact.key", "env:NO_SUCH_KEY"),
    ),
    "a key that can be guessed": Case(
        "redact.key is of 6 bytes",
        *("--redact.groups", "PER", "--redact.style", "pseudonym", "--redact.key", "env:SHORT_KEY"),
        SHORT_KEY="secret",
    ),
    "results of other columns of texts": Case(
        "input.text_columns=['text', 'more'], but",
        *("--output.mode", "append", "--input.text_columns", "text,more"),
        stands=publish_of_one_column,
    ),
    "parts by strings that are compared in their own way": Case(
        "output.partition_by names 'lang', a column of type string collate UNICODE. Its values",
        *("--input.path", "", "--input.table", "collated", "--output.partition_by", "lang"),
        stands=lambda folder, spark: make_collated(spark),
    ),
    "no ids of documents": Case("'key' is not a column", "--input.id_column", "key"),
    "no ids": Case("input.id_column='key' is not a column", *MENTIONS, "key"),
    "ids called as a mention's": Case(
        "would stand beside those of a mention",
        *(*MENTIONS, "word"),
        stands=standing("in/a.json", '{"text": "", "word": 1}'),
    ),
    "ids that no field of CSV holds": Case(
        "the columns key of the input hold what no field of CSV does",
        *(*MENTIONS, "key", "--output.format", "csv"),
        *("--input.path", "{}/maps", "--input.format", "parquet"),
        stands=lambda folder, spark: write_maps(folder, spark),
    ),
    "a column of our own plans": Case(
        "already has the columns _Spark_Entities_result",
        stands=standing("in/a.json", '{"text": "", "_Spark_Entities_result": 1}'),
    ),
    "errors that would quote a record": Case(
        "Spark's error quotes the record", "--input.options", '{{"MODE": "failFast"}}'
    ),
    "records that would be lost": Case(
        "input.options.mode='DROPMALFORMED' loses the rows",
        *("--input.options", '{{"mode": "dropMalformed"}}'),
    ),
    "a header that is none": Case(
        "Its columns: 2, whose names are not told",
        *("--input.path", "{}/table.csv", "--input.format", "csv"),
        *("--input.options", '{{"header": "true"}}'),
        stands=standing("table.csv", "1,Emma woont in Londen\n2,Anna\n"),
    ),
    "an output in the input": Case("lie in one another", "--output.path", "{}/in/out"),
    "an output over the input": Case("lie in one another", "--output.path", "{}"),
    "an output in what a pattern names": Case(
        "lie in one another",
        *("--input.path", "{}/{{in,in2/[a-c]*}}", "--output.path", "{}/in2/b/out"),
    ),
    "an output over what a pattern names": Case(
        "lie in one another",
        *("--input.path", "{}/*n/*.json", "--output.path", "{}/in"),
    ),
    "an output that links of the input lead to": Case(
        "lie in one another", "--output.path", "{}/results/out", stands=link_out_of_input
    ),
    "an output over the model": Case(
        "output.path='{}/out' and model.name='{}/out/model' lie in one another",
        *("--model.name", "{}/out/model"),
        stands=copy_model("out/model"),
    ),
    "pages in the input": Case("lie in one another", "--report.path", "{}/in"),
    "pages in the output": Case("lie in one another", "--report.path", "{}/out/pages"),
    "pages over the output": Case(
        "lie in one another", "--output.path", "{}/pages/out", "--report.path", "{}/pages"
    ),
    "pages in what lies beside the output": Case(
        "lie in one another", "--report.path", "{}/.out.incremental/pages"
    ),
    "a table read and written": Case(
        "output.table='default.Both' and input.table='both' lie in one another",
        *("--input.path", "", "--input.table", "both", "--input.text_column", "word"),
        *("--output.table", "default.Both"),
        stands=lambda folder, spark: write_table(folder, spark),
    ),
    "an output below a file": Case(
        "cannot be written to (Not a directory)",
        *("--output.path", "{}/file/out"),
        stands=standing("file"),
    ),
    "an output that no file system keeps": Case(
        "output.path='/proc/out' cannot be written to (Read-only", "--output.path", "/proc/out"
    ),
    "an output that is the root, by another name": Case(
        "output.path='{}/root' is the root of a file system",
        *("--output.path", "{}/root"),
        stands=lambda folder, spark: (folder / "root").symlink_to("/"),
    ),
    "a quarantine in the output": Case(
        "lie in one another",
        *("--errors.policy", "quarantine", "--errors.quarantine_path", "{}/out/apart"),
    ),
    "a quarantine that is the output, by another name": Case(
        "lie in one another",
        *("--errors.policy", "quarantine", "--errors.quarantine_path", "file:{}/apart/../out"),
    ),
    "an output in the quarantine, by a link": Case(
        "lie in one another",
        *("--output.path", "{}/link/out"),
        *("--errors.policy", "quarantine", "--errors.quarantine_path", "{}/apart"),
        stands=link_to("apart"),
    ),
    "a record that was cut off": Case(
        "the record of a run, was cut off or changed",
        *("--output.mode", "append"),
        stands=standing(RECORD, '{"layout": "doc'),
    ),
    "an output that stands": Case(
        "exists and output.mode is 'error'", stands=standing(RECORD, "{}")
    ),
    "an output that an overwrite left": Case(
        "exists and output.mode is 'error'",
        stands=standing(RECORD.replace("out", LEFT), "{}"),
    ),
    "an output of other things": Case(
        "holds other things than runs",
        *("--output.mode", "append"),
        stands=standing("out/notes.txt"),
    ),
    "a quarantine of other things": Case(
        "holds other things than runs",
        *("--errors.policy", "quarantine", "--errors.quarantine_path", "{}/apart"),
        stands=standing("apart/notes.txt"),
    ),
    "failures of a run that stands": Case(
        "run.id='run-a' stands in errors.quarantine_path='{}/apart' already, with failures of",
        *("--output.mode", "overwrite", *APART),
        stands=publish_apart,
    ),
    "another layout": Case(
        "output.layout='documents', but",
        *("--output.mode", "append"),
        stands=standing(RECORD, '{"layout": "mentions"}'),
    ),
    "a run that stands": Case(
        "run.id='run-a' stands in the output already",
        *("--output.mode", "append", "--run.id", "run-a"),
        stands=standing(RECORD, "{}"),
    ),
    "a table elsewhere": Case(
        "is there already, and lies in", "--output.table", "elsewhere", stands=stand_by_table
    ),
    "a table in no database": Case(
        "output.table='nodb.t1': the catalog has no database nodb", "--output.table", "nodb.t1"
    ),
    "a table in no catalog": Case(
        "the catalog has no database nocat.db",
        *("--output.table", "nocat.db.t1", "--output.format", "ledger"),
        stands=lambda folder, spark: spark.dataSource.register(Ledger),
    ),
    "a table that stands": Case(
        "exists and output.mode is 'error'", "--output.format", "ledger", stands=stand_by_ledger
    ),
    "a format that is none": Case(
        "output.format='detla' is none that this Spark knows", "--output.format", "detla"
    ),
    "an option that is none of CSV": Case(
        "output.options.sep is none that Spark writes csv by (IllegalArgumentException)",
        *(*MENTIONS, "id", "--output.format", "csv", "--output.options", '{{"sep": ""}}'),
    ),
    "an option that is none of JSON": Case(
        "output.options.encoding is none that Spark writes json by (INVALID_PARAMETER_VALUE.",
        *("--output.format", "json", "--output.options", '{{"encoding": "xyz"}}'),
    ),
    "no database": Case(
        "the database cannot be reached", *INTO_DATABASE, '{{"url": "jdbc:derby:memory:none"}}'
    ),
    "rows in a database": Case(
        "has rows and output.mode is 'error'",
        *(*INTO_DATABASE, DERBY),
        stands=partial(stand_in_database, rows=1),
    ),
    "a table that lacks columns": Case(
        "has no columns id, score, start, end",
        *(*INTO_DATABASE, DERBY),
        stands=partial(stand_in_database, rows=0),
    ),
    "an input that is one file": Case(
        "looks for new files", "--input.path", "{}/in/documents.json", *INCREMENTAL
    ),
    "other settings than before": Case(
        "classify.stride was 128 and is 64",
        *(*INCREMENTAL, "--classify.stride", "64"),
        stands=lambda folder, spark: publish(folder, *INCREMENTAL),
    ),
    "an output that is gone": Case(
        "remembers what was published there",
        *INCREMENTAL,
        stands=publish_increment(then=lambda folder: shutil.rmtree(folder / "out")),
    ),
    "settings of batches, cut off": Case(
        "which tells what the batches before were made with, was cut off",
        *INCREMENTAL,
        stands=publish_increment(then=cut_off(".out.incremental/fingerprint.json")),
    ),
    "files of a batch, cut off": Case(
        "which tells what files were published, was cut off",
        *INCREMENTAL,
        stands=publish_increment(
            then=lambda folder: (
                cut_off(".out.incremental/seen/*")(folder),
                shutil.rmtree(folder / "out"),
            )
        ),
    ),
    "another header than before": Case(
        "input's columns are others than before (their names are in the files)",
        *(*INCREMENTAL, "--input.path", "{}/tables", "--input.format", "csv"),
        *("--input.options", '{{"header": "true"}}'),
        stands=lambda folder, spark: change_header(folder),
    ),
    "a column of another type than before": Case(
        "the column 'id' of the result is string, and bigint in file:{}/out/entity_run=",
        *("--output.mode", "append"),
        stands=publish_other_ids,
    ),
    "no ids to skip by": Case("input.id_column='key' is not a column", *SKIP, "key"),
    "ids that cannot be compared": Case(
        "is of type map<string,string>, whose values Spark cannot compare",
        *(*SKIP, "key", "--input.path", "{}/maps", "--input.format", "parquet"),
        stands=lambda folder, spark: write_maps(folder, spark),
    ),
    "ids of another type": Case(
        "is of type string, and bigint", *SKIP, "id", stands=publish_other_ids
    ),
    "another run that writes": Case("another run is writing", stands=hold_lock),
}


def sites() -> set[tuple[str, int]]:
    """Every place in the rooms before work where a configuration is refused."""
    return {
        (str(path), node.lineno)
        for room in ROOMS
        for path in (ROOT / "jobs" / room).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Raise) and "ConfigError(" in ast.unparse(node)
    }


@pytest.fixture(scope="module")
def walked() -> dict[str, set[tuple[str, int]]]:
    """The lines that each case went through, from the program to where it was refused."""
    return {}


@pytest.fixture
def refuse(tmp_path, monkeypatch, capsys, walked):
    """Returns a function that has a program refuse a case; it returns what was said."""
    end = command._end

    def note(name: str, status: int, *lines: str) -> int:
        frames = traceback.extract_tb(sys.exception().__traceback__)
        walked[name] = {(str(Path(each.filename).resolve()), each.lineno) for each in frames}
        return end(status, *lines)

    def there() -> list[str]:  # what an overwrite left may be put back
        return sorted(str(path).replace(LEFT, "out") for path in tmp_path.rglob("*"))

    def call(program, name: str) -> list[str]:
        case = CASES[name]
        flags = [each.format(tmp_path, name=tmp_path.name) for each in case.flags]
        before = there()
        with monkeypatch.context() as patched:
            patched.setattr(command, "_end", partial(note, name))
            for key, value in case.environment.items():
                patched.setenv(key, value) if value else patched.delenv(key, raising=False)
            assert program.main(flags) == command.REFUSED
        assert there() == before
        return capsys.readouterr().err.splitlines()

    return call


@pytest.mark.fault("what stands against a run", "before work; the same words by check and enrich")
@pytest.mark.parametrize("name", CASES)
def test_what_enrich_refuses_check_refuses_in_the_same_words(
    spark, tmp_path, monkeypatch, capsys, refuse, name
):
    monkeypatch.setattr(lock, "_TOUCH_SECONDS", 0.05)
    write(tmp_path / "in" / "documents.json", json.dumps({"id": 1, "text": "Emma."}))
    with CASES[name].stands(tmp_path, spark) or nullcontext():
        capsys.readouterr()
        checked, enriched = refuse(check, name), refuse(enrich, name)
    assert CASES[name].words.replace("{}", str(tmp_path)) in " ".join(checked)
    assert [line.replace("error: ", "refused: ", 1) for line in checked] == enriched


def test_the_walk_comes_by_every_refusal(walked):
    if walked.keys() != CASES.keys():
        pytest.skip("only a part of the walk was asked for")
    assert sites() - set().union(*walked.values()) == set()
