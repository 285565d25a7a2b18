"""Users' type checkers understand the package."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import sse_client

HERE = Path(__file__).parent
ROOT = Path(sse_client.__file__).parent.parent
PROGRAM = HERE / "uses_everything.py"
EXTRAS = {
    "sse_client.fallback": "websockets",
    "sse_client.redis_relay": "redis",
    "sse_client.requests_bridge": "requests",
}


@pytest.mark.parametrize(
    ("checker", "arguments"),
    [("mypy", ["--strict", "--follow-imports=silent", "--cache-dir"]), ("pyright", ["--pythonpath", sys.executable])],
)
def test_a_program_that_uses_every_name_is_understood(checker: str, arguments: list[str], tmp_path: Path) -> None:
    """Neither mypy in its strict mode nor pyright finds anything wrong in a program that uses it all."""
    for package in (checker, "redis", "requests", "websockets"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    cache = [str(tmp_path)] if checker == "mypy" else []
    command = [sys.executable, "-m", checker, *arguments, *cache, str(PROGRAM)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("module", ["sse_client.testing", *EXTRAS])
def test_the_program_does_use_every_name(module: str) -> None:
    """No public name of these modules is missing from the program."""
    if module in EXTRAS:
        pytest.importorskip(EXTRAS[module])
    used = {node.id for node in ast.walk(ast.parse(PROGRAM.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)}
    assert set(importlib.import_module(module).__all__) - used == set()
