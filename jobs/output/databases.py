"""A table of a relational database as an output, by JDBC: a run is added in one transaction.

Enters: a staged run of mentions. Leaves: its rows in the table, all of them, or the table as it
was. Must not import: torch, transformers. Needs classic Spark: it calls java.sql on the driver.

    <table>_staging    beside the table: where executors write, each task in a transaction

Spark's own writer commits task by task, and deletes first to overwrite. So it fills a table of
this run alone; then one transaction of the driver counts that and copies it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_entities.jobs.config import JDBC
from spark_entities.jobs.output.mentions import mention_columns
from spark_entities.jobs.output.transactional import TransactionalTable
from spark_entities.jobs.spark.errors import SPARK_ERRORS, name_error
from spark_entities.jobs.tables.columns import quoted
from spark_entities.jobs.tables.reading import jdbc_options
from spark_entities.udfs.errors import ConfigError, PublishError


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseTable(TransactionalTable):
    """A table of a database that this process holds, by its name and `output.options`."""

    @property
    def _options(self) -> dict[str, str]:
        types = {"createTableColumnTypes": f"{self.columns.run} VARCHAR(100)"}  # to be compared
        return {**types, **jdbc_options(self.section.options), "dbtable": self.name}

    def read(self) -> DataFrame:
        """Read the table."""
        return self.spark.read.format(JDBC).options(**self._options).load()

    def check(self) -> None:
        """Refuse a table that cannot be reached, lacks columns, or must not stand already."""
        try:
            found = self.read().columns if self.stands() else None
        except SPARK_ERRORS as error:
            raise ConfigError(
                f"output.options: the database cannot be reached ({name_error(error)}). Check url, "
                f"user and password; and that spark.jars has the driver's jar, and "
                f"output.options.driver its class."
            ) from None
        if found is None:
            return
        if self.section.mode == "error" and self._has_rows():
            raise ConfigError(
                f"output.table={self.name!r} has rows and output.mode is 'error'. Set output.mode "
                f"to 'append' to add a run, or to 'overwrite' to replace all rows."
            )
        wanted = [*mention_columns(self), self.columns.run]
        missing = [name for name in wanted if name not in found]
        if missing:
            raise ConfigError(
                f"output.table={self.name!r} has no columns {', '.join(missing)}, but "
                f"{', '.join(found)}. Add them, or choose another output.table."
            )

    def put_in_place(self, staging: str, run_id: str) -> None:
        """Fill a table beside this one, and copy it in one transaction."""
        rows = self.spark.read.parquet(f"{staging}/{self.run_folder(run_id)}")
        rows = storable(rows.withColumn(self.columns.run, F.lit(run_id)))
        beside = f"{self.name}_staging"
        try:
            self._save(rows, beside, "overwrite")
            self._save(rows.limit(0), self.name, "append")  # creates it, where it is not there
            if self.section.mode == "error" and self._has_rows():
                raise PublishError(f"{self.name} was filled while this run was working; it stays.")
            self.check_held()
            self._copy(beside, rows.columns, rows.count())
        except Py4JJavaError as error:
            raise PublishError(
                f"output.table={self.name!r}: the database did not take the rows "
                f"({name_error(error)}); it stays as it was."
            ) from None
        finally:
            self._drop(beside)

    def _has_rows(self) -> bool:
        return not self.read().isEmpty()

    def _save(self, rows: DataFrame, table: str, mode: str) -> None:
        options = self._options | {"dbtable": table}
        rows.write.format(JDBC).options(**options).mode(mode).save()

    def _copy(self, source: str, columns: Sequence[str], wanted: int) -> None:
        """Copy all rows of a table, in the place of what stands where that is wanted."""
        dialect = self._jvm.jdbc.JdbcDialects.get(self._options["url"])
        names = ", ".join(dialect.quoteIdentifier(name) for name in columns)
        with self._transaction() as statement:
            counted = statement.executeQuery(f"SELECT COUNT(*) FROM {source}")
            counted.next()
            if (found := counted.getLong(1)) != wanted:  # a task whose commit was not heard of
                raise PublishError(
                    f"{wanted} mentions were staged and {found} arrived in the database; they "
                    f"were not published. Run it again."
                )
            if self.section.mode == "overwrite":
                statement.executeUpdate(f"DELETE FROM {self.name}")
            statement.executeUpdate(
                f"INSERT INTO {self.name} ({names}) SELECT {names} FROM {source}"
            )

    def _drop(self, table: str) -> None:
        with self._transaction() as statement:
            if self._tables.tableExists(statement.getConnection(), self._java_options(table)):
                statement.executeUpdate(f"DROP TABLE {table}")

    def stands(self) -> bool:
        """Tell whether the table is there."""
        with self._transaction() as statement:
            options = self._java_options(self.name)
            return bool(self._tables.tableExists(statement.getConnection(), options))

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """Give a statement of the driver's own connection; commit unless something is raised."""
        dialect = self._jvm.jdbc.JdbcDialects.get(self._options["url"])
        connect = dialect.createConnectionFactory(self._java_options(self.name))
        connection = connect.apply(-1)  # as Spark does for the driver
        try:
            connection.setAutoCommit(False)
            try:
                yield connection.createStatement()
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
        finally:
            connection.close()

    @property
    def _jvm(self) -> Any:
        return self.spark._jvm.org.apache.spark.sql  # type: ignore[union-attr]

    @property
    def _tables(self) -> Any:
        return self._jvm.execution.datasources.jdbc.JdbcUtils

    def _java_options(self, table: str) -> Any:
        options = self.spark._jvm.PythonUtils.toScalaMap(  # type: ignore[union-attr]
            self._options | {"dbtable": table}
        )
        return self._jvm.execution.datasources.jdbc.JdbcOptionsInWrite(options)


def storable(rows: DataFrame) -> DataFrame:
    """Put U+FFFD in the place of U+0000, which some databases have in no text."""
    return rows.select(
        *(
            F.translate(F.col(quoted(field.name)), "\0", "\ufffd").alias(field.name)
            if isinstance(field.dataType, T.StringType)
            else F.col(quoted(field.name))
            for field in rows.schema.fields
        )
    )
