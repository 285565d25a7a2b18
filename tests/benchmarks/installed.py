"""What the installed packages say about themselves, without running anything.

Rules of this file: knows packages and distributions by their names, and nothing of what is compared.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import re
from pathlib import Path

__all__ = ["console_scripts", "handlers", "listening_modules", "version"]


def handlers(package: str) -> list[str]:
    """The public functions, methods and arguments of a package that are named like handlers."""
    is_handler = re.compile(r"^on_|handler|listener|callback|dispatch", re.IGNORECASE)
    found = []
    for name, thing in inspect.getmembers(importlib.import_module(package), callable):
        if name.startswith("_") or not (getattr(thing, "__module__", None) or "").startswith(package):
            continue
        members = inspect.getmembers(thing, inspect.isfunction) if inspect.isclass(thing) else [("", thing)]
        for member, function in members:
            if member.startswith("_") and member != "__init__":
                continue
            try:
                arguments = list(inspect.signature(function).parameters)
            except (TypeError, ValueError):  # made in C
                continue
            found += [f"{name}.{member}"] if is_handler.search(member) else []
            found += [f"{name}({argument})" for argument in arguments if is_handler.search(argument)]
    return found


def listening_modules(package: str) -> list[str]:
    """The modules of a package that accept connections."""
    (folder,) = importlib.import_module(package).__path__
    return [
        ".".join(path.relative_to(Path(folder).parent).with_suffix("").parts)
        for path in sorted(Path(folder).rglob("*.py"))
        if _accepts_connections(ast.parse(path.read_text(encoding="utf-8")))
    ]


def _accepts_connections(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"listen", "create_server", "start_server"}:
            return True
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if {"http.server", "socketserver", "wsgiref.simple_server"} & set(names):
            return True
    return False


def console_scripts(package: str) -> list[str]:
    """The commands that come with a package."""
    entries = [entry for installed in importlib.metadata.distributions() for entry in installed.entry_points]
    scripts = [entry for entry in entries if entry.group == "console_scripts"]
    return sorted({entry.name for entry in scripts if re.split(r"[.:]", entry.value)[0] == package})


def version(distribution: str, package: str) -> str:
    """The version of a package; of its distribution where it does not say."""
    number = getattr(importlib.import_module(package), "__version__", None)
    return str(number or importlib.metadata.version(distribution))
