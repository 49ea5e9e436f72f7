"""Thousands of mangled inputs: each is taken, or refused in words that quote no secret and no text.

Files are cut, doubled and overwritten byte by byte; JSON and YAML have other values put in.
"""

import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from spark_entities.jobs.config import EvaluateConfig, GoldSection, read_config
from spark_entities.jobs.scoring.gold import load_gold
from spark_entities.jobs.training.recipe import load_recipe
from spark_entities.udfs.checkpoint import find_checkpoint
from spark_entities.udfs.errors import ConfigError, ModelLoadError
from spark_entities.udfs.model import load_model
from spark_entities.udfs.options import ModelOptions

ROOT = Path(__file__).parents[2]
SECRET = "Geheimhoven-7391"
JUNK: list[Any] = [None, True, -1, 0, 1.5, 10**400, float("nan"), float("inf"), "", "x", "1", "é\0"]
JUNK += [[], {}, [1], ["a", None], {"a": 1}, {"": {}}, "../x", "~", "${x}", "env:", [[[[]]]]]
SIGNS = [b"{", b"}", b"[", b"]", b":", b",", b'"', b"'", b"\\", b"\n", b"\t", b"\0", b"\xff", b"- "]
SIGNS += [b"&a ", b"*a", b"!!python/object:os.system ", b"<<: ", b"---\n", b"\xef\xbb\xbf", b"? "]


def mangle_bytes(content: bytes, rng: random.Random) -> bytes:
    """Cut, double, overwrite, or put something in, at a few places."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice([0, 1, 2, 8, 100]))
        middle = rng.choice([b"", rng.randbytes(2), rng.choice(SIGNS), content[start:end] * 2])
        content = content[:start] + middle + content[end:]
    return content if rng.random() < 0.95 else content[: rng.randrange(len(content) + 1)]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in lists and maps."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def mangle_values(value: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Put other values in the place of some, take some away, name some otherwise."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        holder, key = rng.choice([*places(value)] or [(value, "new")])
        act = rng.randrange(4)
        if act == 0 and isinstance(holder, dict) and key in holder:
            holder[rng.choice(["", "x", "0", 7, None, True])] = holder.pop(key)
        elif act == 1 and isinstance(holder, dict):
            holder.pop(key, None)
        else:
            holder[key] = copy.deepcopy(rng.choice(JUNK))
    return value


def leaks(message: str) -> bool:
    """Whether a good part of the secret stands in a message."""
    return any(SECRET[start : start + 7] in message for start in range(len(SECRET) - 6))


def try_all(count: int, act: Callable[[random.Random], object]) -> int:
    """Act on mangled inputs; returns how many were refused. The seed of one that fails is noted."""
    refused = 0
    for seed in range(count):
        try:
            act(random.Random(seed))
        except (ConfigError, ModelLoadError) as error:
            said = str(error).strip()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
        else:
            continue
        refused += 1
        assert said, f"seed {seed} is refused without a word"
        assert not leaks(said), f"seed {seed} is quoted: {said}"
    return refused


@pytest.mark.fault("mangled files", "thousands of them, cut and overwritten at random")
@pytest.mark.parametrize("layer", ["bytes", "values"])
def test_a_mangled_configuration_is_refused_in_words(tmp_path, layer):
    path = tmp_path / "job.yaml"
    good = {
        "input": {"path": "in", "format": "json", "options": {"password": SECRET}},
        "output": {"path": "out", "partition_by": ["month"], "options": {"url": "jdbc:x:y"}},
        "model": {"name": "bundled", "precision": "auto"},
        "classify": {"stride": 64, "aggregation_strategy": "first"},
        "errors": {"policy": "quarantine", "quarantine_path": "bad", "max_failed_fraction": 0.5},
        "run": {"id": "run-a", "show_documents": 3},
        "report": {"watts": 100, "names": 3},
        "spark": {"master": "local[2]", "config": {"spark.a.token": SECRET}, "allow": []},
    }

    def read(rng: random.Random) -> None:
        if layer == "bytes":
            mangled, content = b"", yaml.safe_dump(good).encode()
            while not all(f"{key}: {SECRET}\n".encode() in mangled for key in ("word", "token")):
                mangled = mangle_bytes(content, rng)  # a secret by no key could be anything
            path.write_bytes(mangled)
        else:
            path.write_text(json.dumps(mangle_values(good, rng)))  # which is YAML, too
        read_config(["--config", str(path)])
        if layer == "values":
            read_config(["--config", str(path)], EvaluateConfig)

    assert try_all(200, read) > 80


@pytest.mark.fault("mangled files", "thousands of them, cut and overwritten at random")
@pytest.mark.parametrize("layer", ["bytes", "values"])
def test_a_mangled_recipe_is_refused_in_words(tmp_path, layer):
    path = tmp_path / "recipe.yaml"
    recipe = (ROOT / "conf" / "pos-dutch.yaml").read_text("utf-8")
    values = yaml.safe_load(recipe)

    def read(rng: random.Random) -> None:
        if layer == "bytes":
            path.write_bytes(mangle_bytes(recipe.encode(), rng))
        else:
            path.write_text(json.dumps(mangle_values(values, rng)))
        load_recipe(path)

    assert try_all(300, read) > 75


@pytest.mark.fault("mangled files", "thousands of them, cut and overwritten at random")
def test_a_mangled_conll_file_is_refused_in_words(tmp_path):
    path = tmp_path / "gold.tsv"
    lines = [f"{SECRET}\tB-PER", "woont\tO", "in\tO", f"{SECRET}\tB-LOC", "", "-DOCSTART- O", ""]

    def read(rng: random.Random) -> None:
        path.write_bytes(mangle_bytes("\n".join(lines * 3).encode(), rng))
        column = rng.choice([-1, 1, 2, 3])
        load_gold(GoldSection(path=path, tag_column=column, word_column=1 if column != 1 else 2))

    assert try_all(1500, read) > 350


@pytest.mark.fault("mangled files", "hundreds of each, cut and overwritten at random")
@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"]
)
def test_a_mangled_model_is_refused_in_words(checkpoint, tmp_path, name):
    whole = checkpoint / name
    content = whole.read_bytes()
    folder = tmp_path / "mangled"

    def read(rng: random.Random) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(checkpoint, folder)  # a cache goes by the time of a file
        if name.endswith(".json") and rng.random() < 0.6:
            value = mangle_values(json.loads(content), rng)
            (folder / name).write_text(json.dumps(value))
        else:
            (folder / name).write_bytes(mangle_bytes(content[:2000], rng) + content[2000:])
        found = find_checkpoint(ModelOptions(name=str(folder)))
        found.read_capacity()
        found.read_type()
        if name != "model.safetensors" and rng.random() < 0.4:
            load_model(found.options, "cpu")

    assert try_all(250, read) > 25
