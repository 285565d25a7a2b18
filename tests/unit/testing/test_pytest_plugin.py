"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from pathlib import Path
from typing import Callable

import pytest

import sse_client

pytest_plugins = ["pytester"]

Run = Callable[..., pytest.RunResult]

_MODULE = "sse_client.testing.pytest_plugin"
_INSTALLED = any(
    entry_point.group == "pytest11" and entry_point.value == _MODULE
    for distribution in importlib.metadata.distributions()
    for entry_point in distribution.entry_points
)

_USES_IT = """
import http.client

def test_it(event_stream_server):
    event_stream_server.respond(418)
    connection = http.client.HTTPConnection(event_stream_server.host, event_stream_server.port, timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().status == 418
    connection.close()
"""


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a child process import the package from where this one has it."""
    root = str(Path(sse_client.__file__).parent.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")])))


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, importable: None) -> Run:
    """Run a test file in a pytest of its own, with the plugin: as installed, or else by its name."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(source: str, *arguments: str, in_process: bool = True) -> pytest.RunResult:
        pytester.makepyfile(source)
        named = [] if _INSTALLED else ["-p", _MODULE]
        everything = ["-W", "error", *named, *arguments]
        if in_process:
            return pytester.runpytest_inprocess(*everything)
        return pytester.runpytest_subprocess(*everything, timeout=60)

    return run


def test_the_fixture_is_a_running_server(run: Run) -> None:
    """A test that asks for event_stream_server gets a server that runs."""
    run(_USES_IT).assert_outcomes(passed=1)


def test_each_test_has_a_server_of_its_own(run: Run) -> None:
    """The server is made for each test anew, and closed after it."""
    run(
        """
        servers = []

        def test_one(event_stream_server):
            servers.append(event_stream_server)

        def test_two(event_stream_server):
            assert event_stream_server is not servers[0]
            assert "closed" in repr(servers[0])
            assert "running" in repr(event_stream_server)
        """
    ).assert_outcomes(passed=2)


def test_a_failed_handler_fails_the_test(run: Run) -> None:
    """What a handler raises is an error of the test that used the server."""
    result = run(
        """
        import http.client

        def test_it(event_stream_server):
            event_stream_server.reply(lambda exchange: 1 // 0)
            connection = http.client.HTTPConnection(event_stream_server.host, event_stream_server.port, timeout=10)
            connection.request("GET", "/")
            try:
                connection.getresponse()
            except ConnectionError:
                pass
            connection.close()
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*"])


def test_the_fixture_is_listed_with_what_it_is(run: Run) -> None:
    """The command pytest --fixtures shows the fixture and the first line of its docstring."""
    run("def test_it(): pass", "--fixtures").stdout.fnmatch_lines(
        ["event_stream_server*", "*A running `sse_client.testing.EventStreamServer`, closed after the test."]
    )


@pytest.mark.usefixtures("importable")
def test_importing_the_package_does_not_import_pytest(pytester: pytest.Pytester) -> None:
    """Neither the package nor its testing part imports pytest."""
    code = "import sys, sse_client, sse_client.testing; sys.exit('pytest' in sys.modules or '_pytest' in sys.modules)"
    script = pytester.makepyfile(script=code)
    assert pytester.runpython(script).ret == 0


@pytest.mark.skipif(not _INSTALLED, reason="the package is not installed, so pytest does not find the plugin by itself")
def test_it_can_be_switched_off(run: Run) -> None:
    """-p no:sse_client takes the plugin out, and nothing else."""
    result = run(_USES_IT, "-p", "no:sse_client")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'event_stream_server' not found*"])


@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="needs the package pytest-xdist")
def test_it_works_in_several_processes(run: Run) -> None:
    """Each worker of pytest-xdist has servers of its own."""
    source = _USES_IT + "\n".join(
        f"def test_again_{n}(event_stream_server): test_it(event_stream_server)" for n in range(5)
    )
    run(source, "-n", "2", in_process=False).assert_outcomes(passed=6)
