# Databricks notebook source
# MAGIC %md
# MAGIC # Find the names in a table of documents
# MAGIC
# MAGIC Reads a table of Unity Catalog, finds the entities in its text column, and writes two
# MAGIC tables: the documents with their entities, and one row for each mention.
# MAGIC
# MAGIC - **Install** the wheel of spark-entities: the bundle in `conf/databricks.yml` does, or run
# MAGIC   `%pip install /Volumes/…/spark_entities-….whl` first.
# MAGIC - **With GPUs**: a machine learning runtime for GPUs, nodes of one GPU each; in the Spark
# MAGIC   config `spark.task.resource.gpu.amount 1` and `spark.task.cpus`, the cores of a node.
# MAGIC - **Without**: any compute of Spark 4, also such as has Spark Connect only.
# MAGIC
# MAGIC `docs/databricks.md` tells more.

# COMMAND ----------

dbutils.widgets.text("source", "main.default.documents", "01 Documents: a table")
dbutils.widgets.text("text_column", "text", "02 Column of the text")
dbutils.widgets.text("id_column", "id", "03 Column of the id")
dbutils.widgets.text("target", "main.default.document_entities", "04 Result: a table")
dbutils.widgets.text("mentions", "main.default.document_mentions", "05 Mentions: a table, or empty")
dbutils.widgets.dropdown("mode", "append", ["append", "overwrite", "error"], "06 If it is there")
dbutils.widgets.text("partitions", "", "07 Tasks at least, or empty")
dbutils.widgets.text("model", "bundled", "08 Model: bundled, a Hub id, or a folder")
dbutils.widgets.text("revision", "", "09 Revision of a Hub id")
dbutils.widgets.text("run", "", "10 Name of the run, the same when it is tried again, or empty")

# COMMAND ----------

from pyspark.sql import functions as F

from spark_entities import EnrichConfig, enrich
from spark_entities.jobs.enrichment.prepare import new_run_id, read_documents
from spark_entities.jobs.enrichment.set_up import set_up
from spark_entities.jobs.tables.columns import quoted
from spark_entities.jobs.tables.spreading import spread

widgets = "source text_column id_column target mentions mode partitions model revision run"
given = {name: dbutils.widgets.get(name) for name in widgets.split()}
config = EnrichConfig(
    input={
        "table": given["source"],
        "text_column": given["text_column"],
        "min_partitions": given["partitions"] or None,
    },
    model={"name": given["model"], "revision": given["revision"] or None},
    run={"id": given["run"] or new_run_id()},
)


def publish(rows, table):
    """Write the rows of this run to a table, unless an earlier try of the run has."""
    of_run = F.col("entity_run") == config.run.id
    if spark.catalog.tableExists(table) and not spark.table(table).where(of_run).isEmpty():
        print(f"{table} has the rows of {config.run.id} already")
    else:
        rows.write.mode(given["mode"]).saveAsTable(table)
    return spark.table(table).where(of_run)


# COMMAND ----------

# MAGIC %md
# MAGIC ## Is the cluster right?
# MAGIC
# MAGIC What would load the model more than once on a GPU stops here, and names the setting.

# COMMAND ----------

ready = set_up(spark, config)
for finding in ready.warnings:
    print(f"warning: {finding}")
print(f"{ready.checkpoint.identify()}: {', '.join(ready.checkpoint.scheme.groups)}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Documents in, entities out
# MAGIC
# MAGIC `enrich` only plans. The write is one transaction of the table's format, which is Delta on
# MAGIC Databricks: a run that fails leaves the table as it was, and a table that has any rows of it
# MAGIC has them all. So a run that is tried again goes on where it stopped.

# COMMAND ----------

documents = read_documents(ready)
if config.input.min_partitions:
    documents = spread(documents, config.input)
result = publish(enrich(documents, config), given["target"])

# COMMAND ----------

# MAGIC %md
# MAGIC ## What came of it

# COMMAND ----------

num_documents, num_failed = result.agg(F.count("*"), F.count("entity_error")).first()
print(f"{config.run.id}: {num_documents:,} documents, of which {num_failed:,} failed")
if num_failed > config.errors.max_failed_fraction * num_documents:
    raise RuntimeError(f"see the column entity_error of {given['target']} for the reasons")

# COMMAND ----------

# MAGIC %md
# MAGIC ## One row for each mention

# COMMAND ----------

mentions = result.select(
    F.col(quoted(given["id_column"])),
    F.inline("entities"),
    "entity_model",
    "entity_run",
)
if given["mentions"]:
    publish(mentions, given["mentions"])

# COMMAND ----------

# MAGIC %md
# MAGIC ## The names that most documents mention

# COMMAND ----------

documents_of = F.count_distinct(F.col(quoted(given["id_column"]))).alias("documents")
names = mentions.groupBy("entity_group", "word").agg(documents_of)
display(names.orderBy(F.desc("documents"), "entity_group", "word").limit(50))
