"""Settings: enters what a user gave, leaves a checked configuration or a `ConfigError`.

Must not import: Spark, torch, transformers.
"""

from spark_entities.jobs.config.enrich import EnrichConfig as EnrichConfig
from spark_entities.jobs.config.evaluate import EvaluateConfig as EvaluateConfig
from spark_entities.jobs.config.evaluate import GoldSection as GoldSection
from spark_entities.jobs.config.plan import PlanConfig as PlanConfig
from spark_entities.jobs.config.reading import known_keys as known_keys
from spark_entities.jobs.config.reading import read_config as read_config
from spark_entities.jobs.config.reading import read_yaml as read_yaml
from spark_entities.jobs.config.reading import validate as validate
from spark_entities.jobs.config.secrets import REDACTED as REDACTED
from spark_entities.jobs.config.secrets import is_secret as is_secret
from spark_entities.jobs.config.secrets import resolve_secrets as resolve_secrets
from spark_entities.jobs.config.sections import Allowed as Allowed
from spark_entities.jobs.config.sections import Energy as Energy
from spark_entities.jobs.config.sections import ErrorsSection as ErrorsSection
from spark_entities.jobs.config.sections import ReportSection as ReportSection
from spark_entities.jobs.config.sections import RunSection as RunSection
from spark_entities.jobs.config.sections import Section as Section
from spark_entities.jobs.config.sections import SparkSection as SparkSection
from spark_entities.jobs.config.tables import CSV as CSV
from spark_entities.jobs.config.tables import FILES as FILES
from spark_entities.jobs.config.tables import JDBC as JDBC
from spark_entities.jobs.config.tables import JSON as JSON
from spark_entities.jobs.config.tables import MENTIONS as MENTIONS
from spark_entities.jobs.config.tables import PARQUET as PARQUET
from spark_entities.jobs.config.tables import InputSection as InputSection
from spark_entities.jobs.config.tables import OutputSection as OutputSection
