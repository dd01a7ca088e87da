"""Notebooks: executed, and as pages of the site with the output that they were committed with.

`python -m docs.making.notebooks` executes all of them and keeps what they show.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
_LONGEST_CELL_SECONDS = 600
_STYLE = re.compile(r"<style scoped>.*?</style>\n", re.DOTALL)


def executed(notebook: Path, folder: Path) -> nbformat.NotebookNode:
    """A notebook with what its cells show.

    Args:
        notebook: Its file.
        folder: Where it runs and writes.
    """
    node = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        node, timeout=_LONGEST_CELL_SECONDS, record_timing=False, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return node


def page_of(notebook: str) -> str:
    """The page that a notebook becomes.

    Args:
        notebook: Its path.
    """
    return posixpath.splitext(notebook)[0] + ".md"


def as_pages(notebook: Path) -> dict[str, str | bytes]:
    """A notebook as Markdown, and its pictures beside it.

    Args:
        notebook: Its file, executed.

    Returns:
        File names to contents.
    """
    text, resources = MarkdownExporter().from_notebook_node(
        nbformat.read(notebook, as_version=4), {"output_files_dir": f"{notebook.stem}_files"}
    )
    # A table of pandas as one of the page's.
    text = _STYLE.sub("", text).replace('<table border="1" class="dataframe">', "<table>")
    return {page_of(notebook.name): f'<div class="notebook" markdown>\n\n{text}\n\n</div>\n', **resources["outputs"]}


if __name__ == "__main__":
    # Of tqdm, which Optuna imports; it names a path of this machine.
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"
    for path in sorted(FOLDER.glob("*.ipynb")):
        print(path.name, file=sys.stderr)
        with TemporaryDirectory() as scratch:
            kept = executed(path, Path(scratch))
        kept.metadata.language_info = {"name": "python"}
        nbformat.write(kept, path)
