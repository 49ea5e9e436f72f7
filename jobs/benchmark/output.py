"""What a measurement leaves: a table, a JSON file, a chart."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_PACKAGES = ("pyspark", "torch", "transformers", "tokenizers", "pyarrow")
_WIDTH = 130


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are figures."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False).print(table)


def save_json(path: Path, figures: dict[str, Any]) -> None:
    """Write figures with what they were measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
    }
    content = {"command": " ".join(sys.argv[1:]), "machine": machine, **figures}
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    print(f"written: {path}")


def _version(package: str) -> str | None:
    """Return the version of a package; none where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def save_chart(path: Path, title: str, bars: dict[str, float], limit: float) -> None:
    """Draw tokens/s as bars, with the machine's limit as a line; needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.4 * len(bars) + 1.2), layout="constrained")
    axes = figure.subplots()
    colours = ["tab:blue" if name.startswith("ours") else "tab:gray" for name in bars]
    drawn = axes.barh(list(bars), list(bars.values()), color=colours)
    axes.bar_label(drawn, fmt="{:,.0f}", padding=3)
    axes.axvline(limit, color="tab:red", linestyle="--", label="the bare model, float32")
    axes.invert_yaxis()
    axes.set_xlabel("tokens/s")
    axes.set_title(title)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)
    print(f"written: {path}")


def _cpu_name() -> str:
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
