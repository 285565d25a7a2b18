from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from sse_client import Listener, MessageEvent
from sse_client.testing import drop, event
from tests.unit.listeners import run, scripted


class Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise ZeroDivisionError("a handler of the log")


def refuse(record: logging.LogRecord) -> bool:
    raise ZeroDivisionError("a filter of the log")


@pytest.fixture(params=["handler", "filter", "filter of a handler"])
def broken_log(request: pytest.FixtureRequest) -> Iterator[None]:
    logger = logging.getLogger("sse_client")
    before = logger.level, logger.handlers[:], logger.filters[:]
    logger.setLevel(logging.DEBUG)
    handler = logging.NullHandler() if request.param == "filter" else Broken()
    if request.param == "filter of a handler":
        handler = logging.StreamHandler()
        handler.addFilter(refuse)
    logger.addHandler(handler)
    if request.param == "filter":
        logger.addFilter(refuse)
    yield
    logger.setLevel(before[0])
    logger.handlers[:], logger.filters[:] = before[1:]


@pytest.mark.usefixtures("broken_log")
def test_a_log_that_raises_breaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A handler or filter of the log that raises ends no stream, skips no on_close, and is shown on stderr."""
    listener: Listener = scripted(event("a", id="1"), event("b", id="2"), drop())
    seen: list[object] = []

    @listener.on_event
    def handle(message: MessageEvent) -> None:
        seen.append(message.data)
        if message.data == "a":
            raise ValueError("a handler of events")

    listener.on_close(lambda closed: seen.append(closed.error))
    run(listener)
    assert seen == ["a", "b", None]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_records_name_the_line_that_wrote_them(caplog: pytest.LogCaptureFixture) -> None:
    """A record names the module and function that logged, not the log."""
    listener = scripted(event("a"), drop())
    with caplog.at_level(logging.INFO, logger="sse_client"):
        run(listener)
    assert {record.module for record in caplog.records} <= {"loop", "listener"}
    assert {record.name for record in caplog.records} == {"sse_client"}


def test_exceptions_of_the_log_can_be_silenced(
    broken_log: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """logging.raiseExceptions, which silences the handlers of the standard library, silences this too."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    run(scripted(event("a")))
    assert capsys.readouterr().err == ""
