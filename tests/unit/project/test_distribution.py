"""The name under which the package is installed, and what it says about itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
NAME = "sse-client-sync"
FOLDERS = (".ci", ".github", "sse_client", "tests")
TEXTS = [ROOT / "README.md", ROOT / "pyproject.toml"] + [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file() and path.suffix != ".pyc"
]
# What installs, requires or asks for a distribution, followed by the name of the command or of the import.
WRONG_NAME = re.compile(
    r"""
    pip[^\n]*\ install\b[^\n]*[\ '"]sse[-_]client(?![-\w/.])
    | sse[-_]client\[
    | (?:version|metadata|distribution)\(["']sse[-_]client["']\)
    """,
    re.VERBOSE,
)


def folded(name: str) -> str:
    """A name as the package index compares it with others."""
    return re.sub("[-_.]", "", name.lower()).translate(str.maketrans("lio", "110"))


def test_the_distribution_has_a_name_that_the_package_index_accepts() -> None:
    """The name is not equal, as the index compares names, to that of an older package; the command is sse-client."""
    assert re.findall(r'^name = "(.+)"$', PROJECT, re.MULTILINE) == [NAME]
    assert folded(NAME) not in {folded("sseclient"), folded("sse-client"), folded("sseclient-py")}
    assert re.search(r'^sse-client = "sse_client\.', PROJECT, re.MULTILINE)


@pytest.mark.parametrize(
    "text",
    [
        "pip install sse-client",
        "pip install -U 'sse_client'",
        "python -m pip install 'sse-client[socks]'",
        "sse-client[requests,test]",
        'importlib.metadata.version("sse-client")',
    ],
)
def test_the_other_names_are_found(text: str) -> None:
    """The pattern recognizes each way to ask for a distribution of a wrong name."""
    assert WRONG_NAME.search(text)
    assert not WRONG_NAME.search(text.replace("sse-client", NAME).replace("sse_client", NAME))


def test_no_text_installs_another_name() -> None:
    """No text of the project installs, requires or asks for a distribution of another name."""
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8", errors="replace") for path in TEXTS}
    del texts["tests/unit/project/test_distribution.py"]
    wrong = {path: WRONG_NAME.findall(text) for path, text in texts.items()}
    assert {path: found for path, found in wrong.items() if found} == {}
