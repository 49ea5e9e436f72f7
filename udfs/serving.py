"""The classifier as a model of MLflow, for serving: a table with texts in, their entities out.

Enters: options. Leaves: a logged model; where it is loaded, a `Predictor` of pandas' tables.
Must not import: pyspark, torch, transformers; mlflow, an extra, only where a model is logged.

MLflow finds this module by name (`loader_module`), so that nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from spark_entities.udfs.arguments import read_options
from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.core.results import result_type
from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from mlflow.models.model import ModelInfo
    from mlflow.types.schema import Array, DataType, Object

    from spark_entities.udfs.classifier import TokenClassifier


def log_model(
    name: str = "entities",
    model_options: ModelOptions | str | None = None,
    classify_options: ClassifyOptions | None = None,
    *,
    text_column: str = "text",
    registered_model_name: str | None = None,
    pip_requirements: Sequence[str] | None = None,
) -> ModelInfo:
    """Log the classifier as a model of MLflow's flavor `python_function`, with its checkpoint.

    What it predicts of a table has a row for each of its, with `entities`, `error`, `num_tokens`
    and `num_windows`. Its files can be the model of a run too: `model.name: models:/name/version`.

    Args:
        name: of the logged model.
        model_options: which checkpoint, by its options or its name; the bundled one when absent.
        classify_options: how to classify.
        text_column: the column of texts of the tables.
        registered_model_name: registers it under this name, `catalog.schema.name` in Unity Catalog.
        pip_requirements: what is installed where it is served; this version of spark-entities by
            its name when absent, so give the place of its wheel where no index has it.

    Raises:
        ConfigError: if MLflow is not installed, or the stride does not fit the model's window.
        ModelLoadError: if the checkpoint is missing, incomplete or inconsistent.

    """
    try:
        import mlflow.pyfunc
    except ImportError as error:
        raise ConfigError("log_model() needs MLflow. Install mlflow-skinny.") from error
    model, options = read_options(model_options, classify_options)
    checkpoint = find_checkpoint(model)
    options.check_window(checkpoint.read_capacity())
    options.check_groups(checkpoint.scheme.groups)
    logged: ModelInfo = mlflow.pyfunc.log_model(
        name=name,
        loader_module=__name__,
        data_path=str(checkpoint.folder),
        model_config={
            "text_column": text_column,
            "model": {"precision": checkpoint.options.precision, "sha256": checkpoint.digest()},
            "classify": asdict(options),
        },
        input_example=pd.DataFrame({text_column: ["Mijn naam is Emma en ik woon in Londen."]}),
        signature=_signature(text_column, result_type(options)),
        registered_model_name=registered_model_name,
        pip_requirements=pip_requirements or [f"spark-entities=={version('spark-entities')}"],
    )
    return logged


def _load_pyfunc(path: str, config: Mapping[str, Any]) -> Predictor:
    """Load a logged model; MLflow calls this with the folder of its checkpoint."""
    from spark_entities.udfs.classifier import TokenClassifier

    model = ModelOptions(name=path, **config["model"])
    classifier = TokenClassifier.load(model, ClassifyOptions(**config["classify"]))
    return Predictor(classifier=classifier, text_column=config["text_column"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """What MLflow serves."""

    classifier: TokenClassifier
    text_column: str

    def predict(self, table: pd.DataFrame, params: object = None) -> pd.DataFrame:  # noqa: ARG002
        """Classify the texts of a table, in order; MLflow's own `params` are not looked at."""
        texts = [text if isinstance(text, str) else None for text in table[self.text_column]]
        rows = self.classifier.classify(texts)
        return pd.DataFrame(rows.to_pylist(), columns=[field.name for field in rows.type])


def _signature(text_column: str, rows: pa.StructType) -> ModelSignature:
    """Tell what goes in and what comes out, which Unity Catalog asks for."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    texts = ColSpec(DataType.string, text_column)
    found = Schema([ColSpec(_told(field.type), field.name, required=False) for field in rows])
    return ModelSignature(inputs=Schema([texts]), outputs=found)


def _told(kind: pa.DataType) -> DataType | Array | Object:
    """Tell a type of Arrow's in MLflow's words."""
    from mlflow.types.schema import Array, DataType, Object, Property

    if pa.types.is_struct(kind):
        return Object([Property(field.name, _told(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return Array(_told(kind.value_type))
    plain = {pa.string(): "string", pa.int32(): "integer", pa.float32(): "float"}
    return DataType[plain[kind]]
