"""No credential, query, header value or token reaches a log line, a repr or the text of an exception."""

from __future__ import annotations

import logging
import pickle
import ssl
import traceback
from typing import Any, Callable

import pytest

from sse_client import EventSource, EventSourceError, ReconnectPolicy
from sse_client.testing import EventStreamServer, drop, event, raw, reset

from .phases import PHASES
from .support import Follower

SECRETS = ("us3rname", "p4ssword", "t0ken", "h3ader", "fr4gment", "dXMzcm5hbWU6cDRzc3dvcmQ=")
HEADERS = {"Authorization-Too": "h3ader", "X-API-Key": "h3ader", "Cookie": "session=h3ader"}
POLICY = ReconnectPolicy(reconnection_time=0.001, max_delay=0.001, jitter=0.0, max_attempts=2)


def with_secrets(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://us3rname:p4ssword@{rest}path?token=t0ken#fr4gment"


def assert_discreet(text: str) -> None:
    found = [secret for secret in SECRETS if secret in text]
    assert not found, f"{found} in {text}"


FAILURES: dict[str, Callable[[EventStreamServer], None]] = {
    "stream that ends": lambda server: server.stream(event("a")),
    "stream that is cut": lambda server: server.stream(event("a"), drop()),
    "stream that is reset": lambda server: server.stream(event("a"), reset()),
    "bad chunk": lambda server: server.reply(
        lambda exchange: exchange.write_raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
        )
    ),
    "broken encoding": lambda server: server.stream(raw(b"not gzip"), headers={"Content-Encoding": "gzip"}),
    "hang-up": lambda server: server.hang_up(),
    "garbage": lambda server: server.reply(lambda exchange: exchange.write_raw(b"\x00garbage\r\n\r\n")),
    "too many headers": lambda server: server.reply(
        lambda exchange: exchange.write_raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n")
    ),
    "bad length": lambda server: server.reply(
        lambda exchange: exchange.write_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx")
    ),
    "header without an end": lambda server: server.reply(
        lambda exchange: exchange.write_raw(
            b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Type: text/event-stream\r\n\r\n"
        )
    ),
    "404": lambda server: server.respond(404, b"no"),
    "401": lambda server: server.respond(401, b"no"),
    "503": lambda server: server.respond(503),
    "no type": lambda server: server.stream(event("a"), content_type=None),
    "redirect to a file": lambda server: server.redirect("file:///x?token=t0ken"),
    "redirect to a bad host": lambda server: server.redirect("http://us3rname:p4ssword@[::1?token=t0ken"),
    "redirect to a bad port": lambda server: server.redirect("http://us3rname:p4ssword@127.0.0.1:port/?token=t0ken"),
    "redirect to a strange host": lambda server: server.redirect("http://us3rname:p4ssword@a%00b/?token=t0ken"),
    "redirect to no such name": lambda server: server.redirect(f"http://us3rname:p4ssword@{'a' * 70}.x/?token=t0ken"),
    "redirect, then 404": lambda server: [server.redirect("/b?token=t0ken"), server.respond(404)][-1],
    "redirect without end": lambda server: [server.redirect("/b?token=t0ken") for _ in range(30)][-1],
}


def all_texts_of(source: EventSource) -> str:
    """All that can be seen of a source, its events and errors, and of the error that ends it."""
    texts: list[Any] = [repr(source), str(source)]
    try:
        for item in source.lifecycle(comments=True):
            texts += [repr(item), str(item), repr(source)]
            error = getattr(item, "error", None)
            if error is not None:
                texts += [error, repr(error), error.reason, error.url, *traceback.format_exception(None, error, None)]
                texts += [error.args, repr(pickle.loads(pickle.dumps(error)))]
    except EventSourceError as error:
        texts += [repr(error), str(error), error.url, traceback.format_exc()]
        link: Any = error
        while link is not None:
            texts += [repr(link), str(link), repr(link.args)]
            link = link.__cause__ or link.__context__
    return "\n".join(map(str, texts))


@pytest.mark.parametrize("name", FAILURES)
def test_no_secret_is_shown(server: EventStreamServer, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Events, errors with all their causes, tracebacks, reprs and every record of the package's logger are clean."""
    caplog.set_level(logging.DEBUG, logger="sse_client")
    for _ in range(3):
        FAILURES[name](server)
    with EventSource(with_secrets(server.url), headers=HEADERS, reconnect=POLICY) as source:
        texts = all_texts_of(source)
    assert_discreet(texts)
    assert server.requests[0].headers["X-API-Key"] == "h3ader"
    assert server.requests[0].target == "/path?token=t0ken"
    records = [record for record in caplog.records if record.name.startswith("sse_client")]
    assert_discreet("\n".join(f"{record.getMessage()} {record.exc_text} {record.__dict__}" for record in records))


@pytest.mark.parametrize("name", list(FAILURES))
def test_no_secret_reaches_anybodys_warnings(
    server: EventStreamServer, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """What is logged by whomever, from WARNING up, as a program without any set-up shows it, has no secret."""
    for _ in range(3):
        FAILURES[name](server)
    with EventSource(with_secrets(server.url), headers=HEADERS, reconnect=POLICY) as source:
        all_texts_of(source)
    assert_discreet(caplog.text)


@pytest.mark.parametrize(
    "name", ["connecting", "TLS handshake", "accepted and silent", "open, chunked", "waiting after refused"]
)
def test_no_secret_is_shown_by_time_outs(
    name: str,
    server_context: ssl.SSLContext,
    trusted: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nor do time-outs and refused connections show any."""
    caplog.set_level(logging.DEBUG, logger="sse_client")
    limits = {"connect_timeout": 0.05, "response_timeout": 0.05, "idle_timeout": 0.05}
    with PHASES[name](server_context) as here:
        source = EventSource(with_secrets(here.url), headers=HEADERS, reconnect=POLICY, **limits)  # type: ignore[arg-type]
        with source:
            assert_discreet(all_texts_of(source))
    assert_discreet("\n".join(r.getMessage() for r in caplog.records if r.name.startswith("sse_client")))


def test_an_unresolvable_host_is_a_failed_attempt() -> None:
    """A name that nobody has is a failed attempt, retried, and says nothing it should not."""
    url = with_secrets(f"http://{'a' * 63}.invalid/")
    with Follower(EventSource(url, headers=HEADERS, reconnect=POLICY)) as follower:
        follower.wait_for("ErrorEvent", 2)
        follower.join()
    assert_discreet(repr(follower.items) + repr(follower.error))


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "ftp://us3rname:p4ssword@127.0.0.1/?token=t0ken"},
        {"url": "http://us3rname:p4ssword@127.0.0.1:port/?token=t0ken"},
        {"url": "http://us3rname:p4ssword@[::1/?token=t0ken"},
        {"url": "http:///?token=t0ken"},
        {"url": f"http://us3rname:p4ssword@{'a' * 70}.invalid/?token=t0ken"},
        {"url": "http://us3rname:p4ssword@b@127.0.0.1/?token=t0ken"},
        {"url": "http://us3rname:p4ssword\\@127.0.0.1/?token=t0ken"},
        {"url": "http://us3rname:p4ssword@127.0.0.1/ ?token=t0ken"},
        {"url": "http://127.0.0.1/", "headers": {"X-API-Key": "h3ader\n"}},
        {"url": "http://127.0.0.1/", "headers": {"X-API-Key": "h3ader\ud800"}},
    ],
)
def test_no_secret_is_shown_by_refused_arguments(arguments: dict[str, Any]) -> None:
    """An argument that is refused is not shown where it may hold a secret, also in the error's context."""
    with pytest.raises(ValueError, match=r"url|headers") as caught:
        EventSource(**arguments)
    link: Any = caught.value
    assert_discreet(repr(link))
    source_lines = [line for line in traceback.format_exception(None, link, link.__traceback__) if "File " not in line]
    assert_discreet("\n".join(source_lines))
