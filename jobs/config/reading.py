"""Read a configuration, from a command line or YAML, and say what is wrong with one.

Enters: arguments, or a file and the model of its keys. Leaves: that model, checked; or a
`ConfigError` that names key, value and fix. Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar, get_args, overload

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    CliSettingsSource,
    InitSettingsSource,
    SettingsError,
)

from spark_entities.jobs.config.enrich import EnrichConfig
from spark_entities.jobs.config.evaluate import EvaluateConfig
from spark_entities.jobs.config.plan import PlanConfig
from spark_entities.jobs.config.secrets import CREDENTIALS_IN_URL, REDACTED, is_secret
from spark_entities.jobs.config.sections import JobConfig, Variables
from spark_entities.udfs.errors import ConfigError

_HIDDEN = re.compile(r"(^|\.)(options|config|key)(\.|$)")  # keys of others, and that of pseudonyms
_SECRETS = REDACTED, CREDENTIALS_IN_URL, "key"  # what tells of one in a value
_JOBS = PlanConfig, EvaluateConfig  # which have all sections there are
_Job = TypeVar("_Job", bound=JobConfig)
_Model = TypeVar("_Model", bound=BaseModel)


@overload
def read_config(arguments: Sequence[str], *, program: str = ...) -> EnrichConfig: ...
@overload
def read_config(arguments: Sequence[str], kind: type[_Job], *, program: str = ...) -> _Job: ...
def read_config(
    arguments: Sequence[str],
    kind: type[JobConfig] = EnrichConfig,
    *,
    program: str = "spark-entities enrich",
) -> JobConfig:
    """Read the configuration of a job as its command line does.

    What is given later wins: YAML (`--config FILE`), environment (`SPARK_ENTITIES__INPUT__PATH`),
    flags (`--input.path`).

    >>> config = read_config(["--input.path", "articles", "--classify.stride", "64"])
    >>> config.input.path, config.classify.stride
    ('articles', 64)

    Args:
        arguments: what stands behind the command, such as `["--config", "job.yaml"]`.
        kind: the configuration of which job; of `spark-entities enrich` when absent.
        program: the command, as `--help` names it.

    Raises:
        ConfigError: for an unknown key or variable, a wrong type or a value out of range.

    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config", type=Path)
    known, flags = parser.parse_known_args(arguments)
    _check_variables()
    content = {} if known.config is None else read_yaml(known.config, "--config", first="model")
    try:
        from_flags = CliSettingsSource[Any](
            kind, program, flags, cli_exit_on_error=False, case_sensitive=False
        )
        sources = InitSettingsSource(kind, content), Variables(kind), from_flags
        values = reduce(_merge, [source() for source in sources])
    except SettingsError as error:
        unknown = re.search(r"unrecognized arguments: --([\w.]+)", str(error))
        reason = _unknown_key(unknown[1], known_keys(kind)) if unknown else str(error)
        raise ConfigError(reason) from None
    return validate(kind, values)


def _check_variables() -> None:
    """Refuse variables that mean a setting and are none: they would do nothing, unseen."""
    prefix = str(JobConfig.model_config["env_prefix"])
    keys = list(dict.fromkeys(key for job in _JOBS for key in known_keys(job)))
    sections = {key.partition(".")[0] for key in keys}
    # A variable of one's own may hold the secret that a key refers to: SPARK_ENTITIES_REDACT_KEY.
    plain = [key for key in keys if not _HIDDEN.search(key)]
    meant = {key.replace(".", "_"): key.replace(".", "__") for key in plain}
    start = prefix.lower()
    for variable in os.environ:
        name = variable.lower()
        if name.startswith(start):
            key = name.removeprefix(start).replace("__", ".")
            if key.partition(".")[0] not in sections:
                raise ConfigError(f"{variable}: {_unknown_key(key, keys)}")
        elif name.startswith(start[:-1]):  # with one underscore
            rest = name.removeprefix(start[:-1])
            spelt = meant.get(rest, rest)
            if "__" in spelt and spelt.partition("__")[0] in sections:
                raise ConfigError(f"{variable} is not read. Did you mean {prefix}{spelt.upper()}?")


def _merge(values: Any, winning: Any) -> Any:
    """Put a value over another; where both are maps, key by key."""
    if not isinstance(values, dict) or not isinstance(winning, dict):
        return winning
    both = {key: _merge(values[key], winning[key]) for key in values.keys() & winning.keys()}
    return values | winning | both


def read_yaml(path: Path, flag: str, *, first: str) -> dict[str, Any]:
    """Read the file that a flag names; `first` is the section that it could begin with.

    Raises:
        ConfigError: if it cannot be read, or holds no sections.

    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(f"{flag}={path} cannot be read ({reason}). Give a file.") from None
    except yaml.YAMLError as error:  # its text quotes the line, which may hold a secret
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = re.sub("'[^'<]{2,}'", "'…'", getattr(error, "problem", None) or "")
        raise ConfigError(
            f"{flag}={path} is not valid YAML{where}: {problem or type(error).__name__}. Mend it "
            f"there, or above."
        ) from None
    if not isinstance(content, dict):
        raise ConfigError(f"{flag}={path} has no sections. Begin with '{first}:'.")
    return {str(key): value for key, value in content.items()}


def validate(kind: type[_Model], values: Mapping[str, Any]) -> _Model:
    """Make a model of values, with its own checks.

    Raises:
        ConfigError: for what is refused, a line each.

    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        keys = known_keys(kind)
        raise ConfigError("\n".join(_explain(detail, keys) for detail in error.errors())) from None


def known_keys(kind: type[BaseModel] = EnrichConfig) -> list[str]:
    """List every key of a model: those of its sections as `section.key`."""
    keys = []
    for key, field in kind.model_fields.items():
        parts = (field.annotation, *get_args(field.annotation))
        names = [name for part in parts for name in getattr(part, "__pydantic_fields__", ())]
        keys += [f"{key}.{name}" for name in names] or [key]
    return keys


def _explain(detail: ErrorDetails, keys: Sequence[str]) -> str:
    key = ".".join(map(str, detail["loc"]))
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):
        return str(cause)
    if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return _unknown_key(key, keys)
    if detail["type"] == "missing":
        return f"{key} is missing. Set it."
    given = repr(detail["input"])
    tells = any(re.search(each, given) for each in _SECRETS)
    value = "…" if tells or is_secret(key) or _HIDDEN.search(key) else given
    return f"{key}={value} is refused: {detail['msg']}. Set {key} accordingly."


def _unknown_key(key: str, keys: Sequence[str]) -> str:
    """Name the key that may be meant, or those of its section; places in a list do not count."""
    section, _, name = re.sub(r"\.\d+", "", key).partition(".")
    sections = [] if name else [known.partition(".")[0] for known in keys]
    close = difflib.get_close_matches(f"{section}.{name}".rstrip("."), [*sections, *keys], n=1)
    known = [known for known in keys if known.startswith(f"{section}.")] or keys
    hint = f"Did you mean {close[0]}?" if close else f"Known keys: {', '.join(known)}."
    return f"{key} is an unknown key. {hint}"
