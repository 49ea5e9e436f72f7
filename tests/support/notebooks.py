"""The quickstart notebook: run it, and keep it with what it shows.

python -m tests.support.notebooks
"""

import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
_FRACTION = re.compile(r"\d+\.\d+")
_KEPT = {"text/plain", "text/html", "image/png"}
_ALIKE = {"SPARK_ENTITIES__MODEL__PRECISION": "float32"}  # on all machines, whatever they have


def read() -> nbformat.NotebookNode:
    """Read the notebook as it is kept."""
    return nbformat.read(QUICKSTART, as_version=4)


def execute(**environment: str) -> nbformat.NotebookNode:
    """Run the notebook in a fresh kernel, and return it with what it shows."""
    notebook = read()
    folder = {"metadata": {"path": str(QUICKSTART.parent)}}
    client = NotebookClient(notebook, kernel_name="python3", timeout=None, resources=folder)
    given = {"PYSPARK_PYTHON": sys.executable} | _ALIKE | environment
    client.execute(env=os.environ | given)
    for cell in notebook.cells:
        _settle(cell)
    return notebook


def shown(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what the cells show as text; fractions differ a little by machine."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    texts = [output.get("text") or output.data.get("text/html", "") for output in outputs]
    return [_FRACTION.sub("#", text) for text in texts]


def _settle(cell: nbformat.NotebookNode) -> None:
    """Leave out what differs from run to run: times, and what Spark says while it starts."""
    cell.metadata.pop("execution", None)
    if cell.cell_type != "code":
        return
    cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    for output in cell.outputs:
        if "data" in output:
            output.data = {kind: value for kind, value in output.data.items() if kind in _KEPT}


def main() -> None:
    """Write the notebook with what it shows now."""
    notebook = execute()
    nbformat.validate(notebook)
    nbformat.write(notebook, QUICKSTART)


if __name__ == "__main__":
    main()
