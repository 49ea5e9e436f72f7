"""Arguments of the functions that people call, which no configuration has checked.

Enters: what was given. Leaves: options, or a `ConfigError` that names the argument.
Must not import: pyspark, torch, transformers.
"""

from __future__ import annotations

from spark_entities.udfs.errors import ConfigError
from spark_entities.udfs.options import ClassifyOptions, ModelOptions


def read_options(
    model_options: ModelOptions | str | None, classify_options: ClassifyOptions | None
) -> tuple[ModelOptions, ClassifyOptions]:
    """Return options, the usual ones for those that are absent; a model may be given by its name.

    Raises:
        ConfigError: if one is of another type.

    """
    if isinstance(model_options, str):
        model_options = ModelOptions(name=model_options)
    model, options = model_options or ModelOptions(), classify_options or ClassifyOptions()
    check_type("model_options", model, ModelOptions)
    check_type("classify_options", options, ClassifyOptions)
    return model, options


def check_type(name: str, value: object, wanted: type) -> None:
    """Refuse an argument of another type.

    Raises:
        ConfigError: naming it.

    """
    if not isinstance(value, wanted):
        raise ConfigError(f"{name} is of type {type(value).__name__}. Give {wanted.__name__}(…).")
