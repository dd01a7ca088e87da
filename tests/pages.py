"""The examples on the pages of the documentation."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str) -> list[str]:
    """All of a language, each once; "" is for commands."""
    found = [re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE) for page in PAGES]
    return list(dict.fromkeys(code for page in found for told, code in page if told == language))


def block(language: str, containing: str) -> str:
    """The one that has a text in it."""
    [found] = [code for code in blocks(language) if containing in code]
    return found
