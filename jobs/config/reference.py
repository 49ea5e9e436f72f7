"""The reference of all settings, as Markdown: `make docs` writes it to docs/configuration.md.

Enters: the configurations of `enrich`, `plan` and `evaluate`. Leaves: tables of their keys.
Must not import: Spark, torch, transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spark_entities.jobs.config.enrich import EnrichConfig
from spark_entities.jobs.config.evaluate import EvaluateConfig
from spark_entities.jobs.config.plan import PlanConfig
from spark_entities.jobs.config.sections import JobConfig

_HEAD = """\
# Settings

Made by `make docs` from the models that check them; change those, not this page.

Each setting is a key in YAML (`--config FILE`), a flag (`--classify.stride 64`) and an environment
variable (`SPARK_ENTITIES__CLASSIFY__STRIDE=64`). A flag wins over a variable, and a variable over
YAML. In a flag or a variable, a list is `PER,LOC`, and a map is JSON:
`--input.options '{"header": "true"}'`. `check` and `preview` take what `enrich` takes.
"""

_NAMES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true, false"}
_TITLES: dict[str, type[JobConfig]] = {
    "enrich": EnrichConfig,
    "plan": PlanConfig,
    "evaluate": EvaluateConfig,
}


def describe_settings() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    known: set[tuple[str, str]] = set()
    for job, kind in _TITLES.items():
        schema = kind.model_json_schema()
        fields = schema["properties"].items()
        sections = {key: field["$ref"].rpartition("/")[2] for key, field in fields}
        parts.append(f"## `spark-entities {job}`\n")
        if shared := ", ".join(f"`{key}`" for key, _ in sorted(sections.items() & known)):
            parts.append(f"{shared}: as above.\n")
        for key, name in sections.items():
            if (key, name) not in known:
                parts.append(_describe_section(key, schema["$defs"][name]))
        known |= sections.items()
    return "\n".join(parts)


def _describe_section(section: str, schema: Mapping[str, Any]) -> str:
    rows = [
        f"| `{section}.{key}` | {_describe_kind(field)} | {_describe_default(field)} | "
        f"{_cell(field['description'])} |"
        for key, field in schema["properties"].items()
    ]
    head = [f"### `{section}`\n", "| setting | values | default | |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _describe_kind(field: Mapping[str, Any]) -> str:
    """Name the values that a setting takes.

    >>> _describe_kind({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]})
    'whole number, ≥ 1'
    >>> _describe_kind({"enum": ["a", "b"], "type": "string"})
    '`a`, `b`'
    """
    if "anyOf" in field:
        values = [each for each in field["anyOf"] if each.get("type") != "null"]
        return ", or ".join(map(_describe_kind, values))
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field["type"] == "object":
        return "map"
    if field["type"] == "array":
        return f"list of {_describe_kind(field['items'])}"
    limits = [
        f"{sign} {field[key]}"
        for key, sign in (("minimum", "≥"), ("maximum", "≤"), ("exclusiveMinimum", ">"))
        if key in field
    ]
    return ", ".join([_NAMES[field["type"]], *limits])


def _describe_default(field: Mapping[str, Any]) -> str:
    default = field.get("default")
    if default in (None, {}, []):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(describe_settings(), end="")
