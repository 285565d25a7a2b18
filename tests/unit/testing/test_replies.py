"""The replies by name: streams in every framing and encoding, breaks, silence, redirects, the log."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import threading
import zlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Optional

import pytest

from sse_client.events import MessageEvent
from sse_client.parser import EventStreamParser, iter_events
from sse_client.testing import (
    EventStreamServer,
    ScriptedConnector,
    comment,
    drop,
    encode_event,
    event,
    raw,
    reset,
    retry,
    signal,
    wait_for,
)
from sse_client.testing.head import Head
from sse_client.testing.http import ExchangeEnded
from sse_client.testing.replies import log_reply

FRAMINGS = ["chunked", "close", "length"]
ENCODINGS = [None, "gzip", "deflate"]


@pytest.fixture
def server() -> Iterator[EventStreamServer]:
    with EventStreamServer() as server:
        yield server


@contextlib.contextmanager
def response(server: EventStreamServer, **headers: str) -> Iterator[http.client.HTTPResponse]:
    """The response to one request over a connection of its own."""
    with contextlib.closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        connection.request("GET", "/", headers=headers)
        with contextlib.closing(connection.getresponse()) as answer:
            yield answer


def decoder(encoding: Optional[str]) -> Any:
    """Something with a decompress(), for any encoding."""
    if encoding is None:
        return contextlib.nullcontext()
    return zlib.decompressobj(wbits=31 if encoding == "gzip" else 15)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_step_arrives_before_the_next_is_made(server: EventStreamServer, framing: Any, encoding: Any) -> None:
    """In every framing and encoding, a client has all of a step while the server still waits with the next."""
    count = 20
    go = [threading.Event() for _ in range(count)]
    steps = [step for n in range(count) for step in (event(f"event {n}", id=str(n)), wait_for(go[n]))]
    server.stream(*steps, framing=framing, encoding=encoding)
    with response(server) as answer:
        assert answer.getheader("Content-Encoding") == encoding
        decompressor = decoder(encoding)
        for n in range(count):
            seen = b""
            while not seen.endswith(b"\n\n"):
                chunk = answer.read1(65536)
                assert chunk, "the stream ended too early"
                seen += decompressor.decompress(chunk) if encoding else chunk
            assert seen == encode_event(f"event {n}", id=str(n))
            go[n].set()
        rest = answer.read()
        assert (decompressor.decompress(rest) if encoding else rest) == b""
        assert encoding is None or decompressor.eof


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_length_is_that_of_the_whole_body(server: EventStreamServer, framing: Any, encoding: Any) -> None:
    """Content-Length is there for framing "length" alone, and is right, encoded or not."""
    server.stream(event("a"), comment("b" * 1000), retry(3), framing=framing, encoding=encoding)
    with response(server) as answer:
        length = answer.getheader("Content-Length")
        body = answer.read()
        assert (length is not None) == (framing == "length")
        assert length is None or int(length) == len(body)
        assert (answer.getheader("Transfer-Encoding") == "chunked") == (framing == "chunked")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("framing", ["chunked", "length"])
@pytest.mark.parametrize("before", [[], [event("a")], [event("a"), raw(b"data: ha")]])
def test_a_drop_is_a_truncated_body(server: EventStreamServer, framing: Any, encoding: Any, before: Any) -> None:
    """A drop leaves the body short of its end, also where it comes after the last step, and the test can be told."""
    dropped = threading.Event()
    server.stream(*before, drop(), signal(dropped), framing=framing, encoding=encoding)
    with response(server) as answer, pytest.raises(http.client.IncompleteRead):
        answer.read()
    assert dropped.wait(10)


def test_a_drop_of_a_close_delimited_body_looks_like_its_end(server: EventStreamServer) -> None:
    """Where the end of the connection is the end of the body, what was sent is all there is."""
    server.stream(event("a"), raw(b"data: ha"), drop(), framing="close")
    with response(server) as answer:
        assert answer.read() == b"data: a\n\ndata: ha"


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_reset_is_a_reset(server: EventStreamServer, framing: Any) -> None:
    """A reset reaches the client as ConnectionResetError, in every framing."""
    go = threading.Event()
    server.stream(event("a"), wait_for(go), reset(), framing=framing)
    with response(server) as answer:
        assert answer.read1(100) == b"data: a\n\n"
        go.set()
        with pytest.raises(ConnectionResetError):
            answer.read1(100)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_stream_is_cut_at_any_byte(server: EventStreamServer, framing: Any, encoding: Any) -> None:
    """cut_after sends just so many bytes of the encoded body, and then drops, at every place of the body."""
    steps = [event("a", id="1"), event("b" * 30, id="2")]
    server.stream(*steps, framing=framing, encoding=encoding)
    with response(server) as answer:
        whole = answer.read()
    for cut in range(len(whole) + 2):
        server.stream(*steps, framing=framing, encoding=encoding, cut_after=cut)
        with response(server) as answer:
            if framing == "close":
                assert answer.read() == whole[:cut]
            else:
                with pytest.raises(http.client.IncompleteRead) as caught:
                    answer.read()
                # http.client keeps the whole chunks, and the part of the last one, in the partial.
                assert whole.startswith(caught.value.partial)
                assert framing != "length" or caught.value.partial == whole[:cut]


def test_a_stream_that_is_not_kept_alive_says_so(server: EventStreamServer) -> None:
    """keep_alive=False ends the connection after the last chunk, and says so before."""
    server.stream(event("a"), keep_alive=False)
    with response(server) as answer:
        assert answer.getheader("Connection") == "close"
        assert answer.read() == b"data: a\n\n"
        server.wait_until_disconnected()


def test_status_type_and_headers_of_a_stream(server: EventStreamServer) -> None:
    """A stream may have any status, type and headers, or no type at all."""
    server.stream(status=500, headers={"X-Y": "z", "Set-Cookie": "a=1"})
    server.stream(content_type="text/event-stream; charset=utf-8")
    server.stream(content_type=None)
    with response(server) as answer:
        assert (answer.status, answer.getheader("X-Y"), answer.read()) == (500, "z", b"")
    with response(server) as answer:
        assert answer.getheader("Content-Type") == "text/event-stream; charset=utf-8"
    with response(server) as answer:
        assert answer.getheader("Content-Type") is None


@pytest.mark.parametrize(
    ("arguments", "text"), [({"framing": "chunky"}, "^framing must be"), ({"encoding": "br"}, "^encoding must be")]
)
def test_a_wrong_stream_is_refused_when_it_is_queued(server: EventStreamServer, arguments: Any, text: str) -> None:
    """What cannot be served fails at the call that queues it, and nothing is queued."""
    with pytest.raises(ValueError, match=text):
        server.stream(event("a"), **arguments)
    with pytest.raises(ValueError, match="after drop"):
        server.stream(drop(), event("a"))
    with pytest.raises(ValueError, match=text):
        server.serve_log(3, **arguments)
    with response(server) as answer:
        assert answer.status == 204


def test_a_whole_response(server: EventStreamServer) -> None:
    """respond() sends status, headers and body, and no type of its own."""
    server.respond(503, "busy", {"Retry-After": "7"})
    with response(server) as answer:
        assert (answer.status, answer.reason, answer.read()) == (503, "Service Unavailable", b"busy")
        assert dict(answer.getheaders()) == {"Content-Length": "4", "Retry-After": "7"}


def test_a_redirect(server: EventStreamServer) -> None:
    """redirect() says where, with the status asked for."""
    server.redirect("/there?x=y", 307, {"X-Y": "z"})
    with response(server) as answer:
        assert (answer.status, answer.getheader("Location"), answer.getheader("X-Y")) == (307, "/there?x=y", "z")


def test_silence_is_no_answer(server: EventStreamServer) -> None:
    """silence() reads the request and says nothing, until the client goes."""
    server.silence()
    with socket.create_connection((server.host, server.port), timeout=0.1) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        server.wait_for_requests(1)
        with pytest.raises(socket.timeout):
            connection.recv(1)
    server.wait_until_disconnected()


def test_hanging_up_is_an_end_without_an_answer(server: EventStreamServer) -> None:
    """hang_up() reads the request and ends the connection."""
    server.hang_up()
    with pytest.raises(http.client.RemoteDisconnected), response(server):
        pass


# The log


def follow(server: EventStreamServer) -> tuple[list[MessageEvent], int]:
    """What a client gets that comes back after every end, and how many responses were cut."""
    events: list[MessageEvent] = []
    cut = 0
    parser = EventStreamParser()
    for _ in range(1000):
        headers = {"Last-Event-ID": parser.last_event_id} if parser.last_event_id else {}
        with response(server, **headers) as answer:
            if answer.status == 204:
                return events, cut
            parser = EventStreamParser(last_event_id=parser.last_event_id)
            try:
                body = answer.read()
            except http.client.IncompleteRead as error:
                body = error.partial
                cut += 1
            events.extend(parser.feed(body))
    raise AssertionError("the log has no end")


def test_a_log_is_served_from_the_event_after_the_last(server: EventStreamServer) -> None:
    """Each request gets what follows the event that it names; one that has everything gets a 204."""
    server.serve_log(3, retry=0.01)
    with response(server) as answer:
        assert answer.read() == b"retry: 10\n" + b"".join(encode_event(n, id=n) for n in "123")
    with response(server, **{"Last-Event-ID": "2"}) as answer:
        assert list(iter_events([answer.read()])) == [MessageEvent(data="3", last_event_id="3")]
    with response(server, **{"Last-Event-ID": "3"}) as answer:
        assert answer.status == 204


def test_a_log_of_events_is_served_as_they_are(server: EventStreamServer) -> None:
    """A log may be made of any events that have IDs of their own, in any iterable."""
    log = [MessageEvent("t", "a\nb", "x y"), MessageEvent("message", "", "é")]
    server.serve_log(iter(log))
    assert follow(server) == (log, 0)


def test_an_empty_log_is_at_its_end(server: EventStreamServer) -> None:
    """A log without events is answered with a 204."""
    server.serve_log(0)
    assert follow(server) == ([], 0)


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_log_cut_at_random_bytes_arrives_whole(server: EventStreamServer, framing: Any) -> None:
    """Hundreds of cuts at random bytes lose nothing and repeat nothing for a client that resumes."""
    chance = random.Random(20)
    server.serve_log(600, cuts=(chance.randrange(60) for _ in range(200)), framing=framing)
    events, cut = follow(server)
    assert [event.data for event in events] == [str(n) for n in range(1, 601)]
    assert cut == 200
    assert len(server.requests) == 202, "200 that were cut, a whole one, and the 204"


def test_a_reply_without_a_cut_is_whole(server: EventStreamServer) -> None:
    """None among the cuts leaves a reply whole, and a cut behind the end of the body cuts it at its end."""
    server.serve_log(2, cuts=[None, 1000])
    for cut in (False, True):
        with response(server) as answer, pytest.raises(http.client.IncompleteRead) if cut else contextlib.nullcontext():
            assert len(answer.read()) == 30


def test_a_queued_reply_comes_before_the_log(server: EventStreamServer) -> None:
    """A log can be interrupted by other replies."""
    server.serve_log(1)
    server.respond(503)
    with response(server) as answer:
        assert answer.status == 503
    assert len(follow(server)[0]) == 1


@pytest.mark.parametrize(
    "log", [[MessageEvent(data="a")], [MessageEvent(data="a", last_event_id="1"), MessageEvent(last_event_id="1")]]
)
def test_a_log_needs_ids(server: EventStreamServer, log: list[MessageEvent]) -> None:
    """Events without an ID of their own make no log."""
    with pytest.raises(ValueError, match="events must each have a last_event_id of its own"):
        server.serve_log(log)


def test_asking_for_an_unknown_event_fails_the_test() -> None:
    """A client that asks for an event which never was gets a 400, and the test gets an AssertionError."""
    server = EventStreamServer().start()
    server.serve_log(3)
    with response(server, **{"Last-Event-ID": "4"}) as answer:
        assert answer.status == 400
    with pytest.raises(AssertionError, match="what follows event '4', which is not in the log"):
        server.close()


def test_asking_for_an_unknown_event_fails_the_test_though_the_client_has_left() -> None:
    """It does so, too, if the client leaves at the sight of the 400."""

    class Left:
        request = SimpleNamespace(headers={"Last-Event-ID": "4"})

        def respond(self, *_: object) -> None:
            raise ExchangeEnded("the client has gone")

    left: Any = Left()
    with pytest.raises(AssertionError, match="not in the log"):
        log_reply(3, Head())(left)


@pytest.mark.parametrize("body", [None, 7, ["a"]])
def test_a_body_of_the_wrong_type(body: Any) -> None:
    """A body that is neither bytes nor a str is refused where it is given, and not in the server's thread."""
    for queue in (EventStreamServer().respond, ScriptedConnector().respond):
        with pytest.raises(TypeError, match="body must be bytes or a str, not"):
            queue(400, body)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:81", 200),
        ("10.1.2.3", 200),
        ("[::1]:81", 200),
        ("localhost", 200),
        ("LOCALHOST.:81", 200),
        ("a.localhost", 200),
        ("other.test", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.1", 421),
        ("a b", 421),
    ],
)
def test_which_hosts_it_answers_to(host: str, status: int) -> None:
    """A request for another name, as from a page in a browser, gets no stream and counts for nothing."""
    with EventStreamServer(host_names=["Other.test"]) as server:
        server.stream(event("a"))
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/", headers={"Host": host})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        assert response.status == status
        assert len(server.requests) == (status == 200)
    assert b"host_names" in body if status == 421 else body == b"data: a\n\n"
