"""The pages beside the README say what the project does: the steps of CI, the matrix of systems, the version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sse_client import __version__

ROOT = Path(__file__).parent.parent.parent.parent
PAGES = ROOT / ".github"
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def page(name: str) -> str:
    return (PAGES / name).read_text(encoding="utf-8")


def classifiers(prefix: str) -> list[str]:
    return re.findall(rf'^  "{re.escape(prefix)}(.+)",$', PROJECT, re.MULTILINE)


def test_the_steps_of_ci_are_those_that_are_listed() -> None:
    """CONTRIBUTING.md lists each step of .ci/run, in order, in its own words."""
    steps = re.findall(r'^step "(.+)"$', (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    section = page("CONTRIBUTING.md").partition("\n## What `.ci/run` does\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\d+\. (.+)$", section, re.MULTILINE) == steps


def test_the_workflow_runs_on_every_system_and_python() -> None:
    """The workflow is valid YAML, and its matrix has every Python that is claimed, and the free-threaded ones."""
    yaml = pytest.importorskip("yaml", reason="needs the package PyYAML")
    (job,) = yaml.safe_load(page("workflows/test.yml"))["jobs"].values()
    matrix = job["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert matrix["python"] == ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15", "3.14t", "3.15t"]
    claimed = classifiers("Programming Language :: Python :: 3.")
    assert [f"3.{minor}" for minor in claimed] == [python for python in matrix["python"] if python[-1] != "t"]
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert runs == ['python -m pip install -e ".[test]"', "python -m pytest"]


def test_only_the_systems_that_the_tests_run_on_are_claimed() -> None:
    """Nothing claims a system on which the tests have not run."""
    assert classifiers("Operating System :: ") == ["POSIX :: Linux"]


def test_the_changelog_has_this_version() -> None:
    """Each section says what was added, changed or fixed, and the installed version has one."""
    log = page("CHANGELOG.md")
    sections = dict(re.findall(r"^## (\d+\.\d+\.\d+)\b.*\n((?:(?!## ).*\n)*)", log, re.MULTILINE))
    assert __version__ in sections
    for version, text in sections.items():
        assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= {"Added", "Changed", "Fixed"}, version
        bullets = re.findall(r"^- .*", text, re.MULTILINE)
        assert bullets, version
        assert [bullet for bullet in bullets if not bullet.startswith("- **")] == []


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "workflows/test.yml"])
def test_no_page_names_a_host(name: str) -> None:
    """The project has no host yet, so no page sends a reader to one; example.com is nobody's."""
    text = page(name).replace("example.com", "")
    assert re.findall(r"https?://\w\S*|\b[\w-]+\.(?:com|org|io|dev|net)\b", text) == []


def test_files_that_are_named_exist() -> None:
    """Each file that a page names is there."""
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"):
        for path in re.findall(r"`((?:tests|sse_client|\.ci)/[\w/.]+)`", page(name)):
            assert (ROOT / path).exists(), f"{name}: {path}"
        for path in re.findall(r"\]\(([^)#]+)\)", page(name)):
            assert (PAGES / path).exists(), f"{name}: {path}"
