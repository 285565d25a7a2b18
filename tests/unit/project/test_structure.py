"""The rules of the house, held by reading the package's own source."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sse_client

PACKAGE = Path(sse_client.__file__).parent
ROOT = PACKAGE.parent
MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}

# These do no input or output: no socket, clock, thread or log.
PURE = {
    "_arguments",
    "_http.coding",
    "_http.headers",
    "_http.message",
    "_http.url",
    "_http.verdict",
    "_version",
    "errors",
    "events",
    "parser",
    "reconnect",
}
IMPURE = {
    "asyncio",
    "http.client",
    "io",
    "logging",
    "os",
    "select",
    "selectors",
    "socket",
    "ssl",
    "threading",
    "time",
    "urllib3",
}
# Only these know the libraries.
KNOW_URLLIB3 = {
    "_http.failures",
    "_http.pools",
    "_http.session",
    "_http.session_errors",
    "_http.socks",
    "_http.transport",
    "_http.tunnel",
    "_http.watched",
}
KNOW_REQUESTS = {"_http.session", "_http.session_errors", "requests_bridge"}
KNOW_REDIS = {"_relay.store"}
# Imported by name where they are wanted, so that importing the package stays cheap.
ON_DEMAND = ("__main__", "_relay", "cli", "fallback", "redis_relay", "requests_bridge", "testing")


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the modules that a tree imports, with the number of leading dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, 0
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level


def siblings(name: str) -> set[str]:
    """Return the modules of the package that a module imports."""
    package = name.split(".")[:-1]
    found = set()
    for module, level in imports(TREES[name]):
        if level:
            target = ".".join([*package[: len(package) - level + 1], *([module] if module else [])])
        elif module.split(".")[0] == "sse_client":
            target = module.partition(".")[2]
        else:
            continue
        found.add(target if target in MODULES else f"{target}.__init__".lstrip("."))
    return found


def inside_functions(tree: ast.AST) -> Iterator[ast.stmt]:
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            for node in ast.walk(function):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    yield node


def test_top_level() -> None:
    """The top level of the project holds what it should, and nothing else."""
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    built = {"build", "dist", "sse_client.egg-info"}
    assert visible - built == {"pyproject.toml", "README.md", "LICENSE", "sse_client", "tests"}


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules(name: str) -> None:
    """A module that is to do no input or output imports nothing that does."""
    assert {module for module, level in imports(TREES[name]) if not level} & IMPURE == set()
    assert siblings(name) <= PURE


@pytest.mark.parametrize("name", sorted(MODULES))
def test_who_knows_the_libraries(name: str) -> None:
    """Only the modules that carry connections import urllib3, requests or redis."""
    roots = {module.split(".")[0] for module, level in imports(TREES[name]) if not level}
    assert "urllib3" not in roots or name in KNOW_URLLIB3
    assert "requests" not in roots or name in KNOW_REQUESTS
    assert "redis" not in roots or name in KNOW_REDIS


def test_no_cycles() -> None:
    """Imports run one way."""
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"an import cycle: {' -> '.join([*path, name])}"
        if name not in done:
            for sibling in siblings(name) - {"__init__"} if name == "__main__" else siblings(name):
                visit(sibling, (*path, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_stand_at_the_top(name: str) -> None:
    """No function imports anything but optional extras and what few programs need, with the reason on the line."""
    lines = MODULES[name].read_text(encoding="utf-8").splitlines()
    for node in inside_functions(TREES[name]):
        assert "# noqa: PLC0415 - " in lines[node.lineno - 1], f"{name}, line {node.lineno}"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_imports_for_the_type_checker_alone_and_no_star(name: str) -> None:
    """There are no TYPE_CHECKING blocks and no star imports."""
    for node in ast.walk(TREES[name]):
        assert not (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING")
        assert not (isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_wait_can_be_woken(name: str) -> None:
    """Nothing in the package sleeps."""
    for node in ast.walk(TREES[name]):
        assert not (isinstance(node, ast.Attribute) and node.attr == "sleep")
        assert not (isinstance(node, ast.ImportFrom) and any(alias.name == "sleep" for alias in node.names))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_docstrings(name: str) -> None:
    """Each module says in its docstring what it is for, in one sentence first."""
    docstring = ast.get_docstring(TREES[name])
    assert docstring is not None
    assert docstring.split("\n\n")[0].rstrip().endswith((".", ":", "?", "!"))


def test_public_names() -> None:
    """What the package exports is what its modules export, those imported on demand aside."""
    exported = set()
    for name in MODULES:
        if name == "__init__" or name.split(".")[0] in ON_DEMAND:
            continue
        exported |= set(getattr(importlib.import_module(f"sse_client.{name}"), "__all__", ()))
    assert set(sse_client.__all__) == exported
    for name in sse_client.__all__:
        assert hasattr(sse_client, name)


def test_what_an_import_leaves_out() -> None:
    """Importing the package loads nothing that is for few programs: half of the time that it takes would be theirs."""
    late = ["http.cookiejar", "redis", "requests", "sse_client.cli.main", "sse_client.testing", "urllib.request"]
    code = f"import sys; own = set(sys.modules); import sse_client; print({set(late)} & (set(sys.modules) - own))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "set()\n"


def uses_of_patterns(name: str) -> Iterator[tuple[re.Pattern[Any], str]]:
    """Yield each regular expression of a module with the method that it is used by."""
    module = importlib.import_module(f"sse_client.{name}".replace(".__init__", ""))
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
            given = node.args[0]
            pattern = given.value if isinstance(given, ast.Constant) else getattr(module, ast.unparse(given), None)
            if isinstance(pattern, (str, bytes)) and ast.unparse(node.func) != "re.compile":
                yield re.compile(pattern), ast.unparse(node.func)[3:]
        elif isinstance(node, ast.Attribute) and isinstance(getattr(module, ast.unparse(node.value), None), re.Pattern):
            yield getattr(module, ast.unparse(node.value)), node.attr


RUNS = " \t\n\r,;=\"\\'/:@?#%a0x.-[](){}*"
RUNS_OF_TWO = ("; ", " ;", "\r\n ", "a ", "; charset", ";charset = ", "://", "0:", '\\"', "a/")


@pytest.mark.parametrize("name", [name for name in sorted(MODULES) if ("re", 0) in imports(TREES[name])])
def test_no_pattern_backtracks(name: str) -> None:
    """A regular expression holds the interpreter while it runs, so each takes time in proportion to the text."""
    for pattern, method in set(uses_of_patterns(name)):
        for run in (*RUNS, *RUNS_OF_TWO):
            text: Any = run * (30_000 // len(run)) + "\x00"
            if isinstance(pattern.pattern, bytes):
                text = text.encode()
            began = time.process_time()
            if method == "sub":
                pattern.sub(text[:0], text)
            elif method in ("search", "match", "fullmatch", "split", "findall", "finditer"):
                getattr(pattern, method)(text)
            assert time.process_time() - began < 1.0, f"{method} of {pattern.pattern!r} in a run of {run!r}"
