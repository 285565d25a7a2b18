"""Nothing is left open: no thread, no socket, no descriptor, however often and however a source ends."""

from __future__ import annotations

import contextlib
import gc
import ssl
import threading
import warnings
from typing import Any

import pytest

from sse_client import CertificateRejected, ConnectionFailed, ErrorEvent, EventSource, EventSourceError
from sse_client.testing import EventStreamServer, drop, event, hold, raw

from .phases import PHASES
from .support import AT_ONCE, LATER, TIMEOUT, Follower, open_descriptors

ROUNDS = 100


def rounds_leave_nothing(server: EventStreamServer, one: Any) -> None:
    """Do ``one`` 100 times, without a garbage collection to help, and compare what is open."""
    one()
    server.wait_until_disconnected(2.0)
    gc.collect()
    before, threads = open_descriptors(), threading.active_count()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            one()
        server.wait_until_disconnected(TIMEOUT)
        assert open_descriptors() == before
    finally:
        gc.enable()
    # The server's own threads end a moment after their connections.
    for thread in threading.enumerate():
        if thread.name.startswith("event-stream-server-"):
            thread.join(TIMEOUT)
    assert threading.active_count() <= threads


def test_100_rounds_of_break(server: EventStreamServer) -> None:
    """Leaving the loop frees the connection at once, though the source is not closed."""

    def one() -> None:
        server.stream(event("a"), hold())
        for _ in EventSource(server.url):
            break

    rounds_leave_nothing(server, one)


def test_100_rounds_to_the_end(server: EventStreamServer) -> None:
    """A source whose stream came to its end, and was not closed, holds nothing once it is out of sight."""

    def one() -> None:
        server.stream(event("a"))
        assert [item.data for item in EventSource(server.url, reconnect=AT_ONCE)] == ["a"]

    rounds_leave_nothing(server, one)


def test_100_rounds_of_close_from_another_thread(server: EventStreamServer) -> None:
    """A source that another thread has closed holds nothing."""

    def one() -> None:
        server.stream(event("a"), hold())
        with Follower(EventSource(server.url)) as follower:
            follower.wait_for("MessageEvent")

    rounds_leave_nothing(server, one)


@pytest.mark.parametrize(
    "name",
    [
        "reset",
        "rejected",
        "garbled",
        "hung up",
        "redirected",
        "broken encoding",
    ],
)
def test_100_rounds_of_failure(server: EventStreamServer, name: str) -> None:
    """However an attempt fails, it leaves nothing open; errors that are kept keep no socket."""
    kept: list[BaseException] = []

    def one() -> None:
        if name == "reset":
            server.stream(event("a"), drop())
        elif name == "rejected":
            server.respond(404, b"x" * 1000)
        elif name == "garbled":
            server.reply(lambda exchange: exchange.write_raw(b"\x00\x01\x02\r\n\r\n"))
        elif name == "hung up":
            server.hang_up()
        elif name == "redirected":
            server.redirect("file:///")
        else:
            server.stream(raw(b"not gzip"), headers={"Content-Encoding": "gzip"})
        with pytest.raises(EventSourceError) as caught:
            list(EventSource(server.url, reconnect=None))
        kept.append(caught.value)

    rounds_leave_nothing(server, one)
    assert len(kept) == ROUNDS + 1


def test_errors_kept_as_values_keep_no_socket(server: EventStreamServer) -> None:
    """A list of a hundred errors, each with its causes, holds not one socket open."""
    for _ in range(ROUNDS):
        server.stream(event("a"), drop())
    with EventSource(server.url, reconnect=AT_ONCE) as source:
        errors = [item.error for item in source.lifecycle() if isinstance(item, ErrorEvent)]
    assert len(errors) == ROUNDS
    server.wait_until_disconnected(TIMEOUT)
    for error in errors:
        assert error.__traceback__ is None
        link: Any = error
        while link is not None:
            assert link.__traceback__ is None
            link = link.__cause__ or link.__context__


@pytest.mark.parametrize("name", [name for name in PHASES if name.startswith(("open", "half an", "a comm", "waiting"))])
def test_break_or_a_lost_reference_frees_the_connection(
    name: str,
    server_context: ssl.SSLContext,
    trusted: None,
) -> None:
    """Whoever leaves a lifecycle at its last item, whatever that is, leaves nothing open."""
    with PHASES[name](server_context) as here:
        before = open_descriptors()
        source = EventSource(here.url, reconnect=LATER)
        for item in source.lifecycle():
            if type(item).__name__ == here.last_item:
                break
        del item
        source.close()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del source
        here.arrived()
        after = [name for name in open_descriptors() - before if "socket:" in name]
        # The server's end may still be there, in this same process.
        assert len(after) <= 1


@pytest.mark.parametrize("how", ["reconnect=None", "rejected", "break while waiting"])
def test_a_loop_that_is_over_keeps_no_idle_connection(server: EventStreamServer, how: str) -> None:
    """Once the loop is over the server sees the disconnection, though nobody has closed the source."""
    server.stream(event("a"))
    if how == "rejected":
        server.respond(404)
    source = EventSource(server.url, reconnect=None if how == "reconnect=None" else AT_ONCE)
    with contextlib.suppress(EventSourceError):
        for item in source.lifecycle():
            if how == "break while waiting" and isinstance(item, ErrorEvent):
                break
    try:
        server.wait_until_disconnected(1.0)
    finally:
        source.close()


def test_break_is_seen_by_the_server(server: EventStreamServer) -> None:
    """The server sees the disconnection at `break`, while the source is still there and open for another loop."""
    gone = threading.Event()

    def serve(exchange: Any) -> None:
        exchange.run(event("a"), hold())
        gone.set()

    server.reply(serve)
    server.stream(event("b"))
    source = EventSource(server.url, reconnect=AT_ONCE)
    for _ in source:
        break
    assert gone.wait(TIMEOUT)
    assert [item.data for item in source] == ["b"]
    source.close()


def test_an_exception_in_the_body_frees_the_connection(server: EventStreamServer) -> None:
    """The server sees the disconnection also when the body of the loop raises, and the context ends."""
    gone = threading.Event()

    def serve(exchange: Any) -> None:
        exchange.run(event("a"), hold())
        gone.set()

    server.reply(serve)
    with pytest.raises(LookupError), EventSource(server.url) as source:
        for _ in source:
            raise LookupError
    assert gone.wait(TIMEOUT)


def test_an_untrusted_certificate_is_fatal_and_leaves_nothing(server_context: ssl.SSLContext) -> None:
    """A certificate of an unknown authority ends the stream at once: it is not retried, and nothing was sent."""
    with EventStreamServer(ssl_context=server_context) as server:
        source = EventSource(server.url, reconnect=AT_ONCE)
        with pytest.raises(CertificateRejected) as caught:
            list(source)
        assert "certificate" in str(caught.value)
        assert server.requests == []


def test_a_certificate_for_another_name_is_fatal(
    authority: Any,
    trusted: None,
) -> None:
    """A trusted certificate of another host ends the stream too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    with EventStreamServer(ssl_context=context) as server:
        with pytest.raises(CertificateRejected):
            list(EventSource(server.url, reconnect=AT_ONCE))
        assert server.requests == []


def test_tls_against_a_plain_server_is_retried(server: EventStreamServer) -> None:
    """A peer that does not speak TLS is a failed attempt: it may be a proxy that is starting."""
    with Follower(EventSource(server.url.replace("http:", "https:"), reconnect=AT_ONCE)) as follower:
        errors = follower.wait_for("ErrorEvent", 3)
    assert all(isinstance(item.error, ConnectionFailed) for item in errors)


def test_a_connection_is_used_again_after_a_clean_end(server: EventStreamServer) -> None:
    """Streams that end cleanly and are kept alive share one TCP connection."""
    for _ in range(5):
        server.stream(event("a"))
    with EventSource(server.url, reconnect=AT_ONCE) as source:
        assert len(list(source)) == 5
    assert {request.connection for request in server.requests} == {1}
