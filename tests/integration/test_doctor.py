"""``sse-client --doctor`` against servers that have an illness, and against healthy ones: no false alarm."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import threading
import wsgiref.simple_server
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import trustme

from sse_client.testing import EventStreamServer, Exchange, comment, event, hold, raw, retry

from .command import environment, run, run_on_terminal
from .doctor import Ticks, examined
from .proxy_server import HTTPProxy


def assert_healthy(report: Any) -> None:
    """The doctor has nothing to warn of, and says so by its code."""
    assert report.complaints == {}
    assert report.advice == []
    assert report.code == 0


# Healthy


def test_a_ticker_is_healthy(server: EventStreamServer) -> None:
    """Events with IDs, each when it happens, that go on after Last-Event-ID: nothing to warn of."""
    server.handler = Ticks(every=0.05, beat=5)
    report = examined(server.url)
    assert_healthy(report)
    assert "no sign of holding back" in report.about("delivery")
    assert "the server continued with" in report.about("going on")
    assert "each with its own" in report.about("ids")
    assert "comments, one in 0." in report.about("heartbeats")
    assert report.requests == len(server.requests) == 3
    assert "Last-Event-ID" not in server.requests[0].headers
    assert "Last-Event-ID" in server.requests[1].headers
    assert server.requests[2].headers["Accept-Encoding"] == "gzip"


def test_a_quiet_stream_is_healthy(server: EventStreamServer) -> None:
    """Heartbeats and no event: there is nothing to warn of, and no ID to go on after."""

    def beat(exchange: Exchange) -> None:
        exchange.send_head()
        while True:
            exchange.run(comment(""))
            exchange.pause(0.5)

    server.handler = beat
    report = examined(server.url)
    assert_healthy(report)
    assert "no event in 2 s" in report.about("delivery")


def test_silence_is_healthy(server: EventStreamServer) -> None:
    """A stream of which nothing comes in a short look may be well."""

    def silence(exchange: Exchange) -> None:
        exchange.send_head()
        exchange.hold()

    server.handler = silence
    report = examined(server.url, seconds=3)
    assert_healthy(report)
    assert "too short a look" in report.about("heartbeats")


def test_groups_of_events_are_healthy(server: EventStreamServer) -> None:
    """A server that sends several events at once, now and then, holds nothing back."""

    def batches(exchange: Exchange) -> None:
        have = int(exchange.request.headers.get("Last-Event-ID", "0"))
        exchange.send_head()
        for number in range(have + 1, 10_000):
            exchange.send(f"id: {number}\ndata: part {number}\n\n".encode())
            if number % 7 == 0:
                exchange.pause(0.4)

    server.handler = batches
    assert_healthy(examined(server.url))


def test_a_long_poll_is_healthy(server: EventStreamServer) -> None:
    """A response with some events that ends, and goes on with the next request."""

    def serve(exchange: Exchange) -> None:
        have = int(exchange.request.headers.get("Last-Event-ID", "0"))
        exchange.run(retry(1.0), *(event(str(n), id=str(n)) for n in range(have + 1, have + 6)))

    server.handler = serve
    report = examined(server.url)
    assert_healthy(report)
    assert "as a long poll does" in report.about("end")
    assert "after 1 s" in report.about("retry")


def test_a_gzipped_stream_is_healthy(server: EventStreamServer) -> None:
    """Compressed and flushed after each event, a stream is as good as any."""
    server.handler = Ticks(encoding="gzip")
    report = examined(server.url)
    assert_healthy(report)
    assert "gzip" in report.about("answer")


def test_a_model_that_answers_is_healthy(server: EventStreamServer) -> None:
    """A POST is sent once; that its answer has no IDs and ends is as it should be."""
    server.stream(*[event(f'{{"n": {n}}}') for n in range(5)], event("[DONE]"))
    report = examined(server.url, "--json-data", "{}")
    assert_healthy(report)
    assert report.requests == len(server.requests) == 1


def test_a_private_authority_is_healthy(server_context: ssl.SSLContext, authority: trustme.CA, tmp_path: Path) -> None:
    """TLS is told with its version, its time and who vouches; the options of the command apply."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    with EventStreamServer(ssl_context=server_context) as server:
        server.handler = Ticks()
        report = examined(server.url, "--cacert", str(path))
        assert_healthy(report)
        assert report.about("TLS").startswith("ok: TLSv1.3, issued by trustme")
        assert f"checked against the authorities in {path}, valid for" in report.about("TLS")
        assert examined(server.url, "-k").complaints == {"TLS": "TLSv1.3, with a certificate that is not checked (-k)"}


def test_a_proxy_is_told(server: EventStreamServer) -> None:
    """Which proxy is used and why; it is its name that is looked up."""
    server.handler = Ticks()
    with HTTPProxy() as proxy:
        report = examined(server.url, "-x", proxy.url)
        assert_healthy(report)
        assert report.about("proxy") == f"ok: {proxy.url}, given with -x"
        report = examined(server.url, env=environment(http_proxy=proxy.url))
        assert report.about("proxy") == f"ok: {proxy.url}, named by http_proxy"
        report = examined(server.url, env=environment(http_proxy=proxy.url, no_proxy="127.0.0.1"))
        assert report.about("proxy") == "ok: none: NO_PROXY leaves this host out of http_proxy"


# Ill


@contextlib.contextmanager
def wsgi(application: Any) -> Iterator[str]:
    """A server of the standard library's, which sends the head with the first piece of the body (PEP 3333)."""

    class Quiet(wsgiref.simple_server.WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Threaded(wsgiref.simple_server.WSGIServer):
        def process_request(self, request: Any, client_address: Any) -> None:
            thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
            threads.append(thread)
            thread.start()

        def _serve(self, request: Any, client_address: Any) -> None:
            with contextlib.suppress(OSError):
                self.finish_request(request, client_address)
            self.shutdown_request(request)

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    threads: list[threading.Thread] = []
    with Threaded(("127.0.0.1", 0), Quiet) as server:
        server.set_app(application)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
            for one in threads:
                one.join(10)


@pytest.mark.parametrize("seconds", [1.4, 5.0])
def test_a_head_that_is_held_back(seconds: float) -> None:
    """A WSGI server that has no event yet sends no head: told, whether or not it comes while the doctor looks."""
    is_over = threading.Event()

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        for number in range(3):
            is_over.wait(seconds)
            yield f"id: {number}\ndata: {number}\n\n".encode()

    with wsgi(application) as url:
        report = examined(url, seconds=6)
        is_over.set()
    assert report.code == 1
    if seconds < 3:
        assert "with the first bytes" in report.complaints["head"]
    else:
        assert "no head within 3 s, though the connection took" in report.complaints["answer"]
    assert report.advises("server", "send the head at once")


def test_a_server_that_ignores_last_event_id(server: EventStreamServer) -> None:
    """One that begins again is found out, and so is one that goes on with what comes next."""
    server.handler = Ticks(honours=False)
    report = examined(server.url)
    assert report.code == 1
    assert set(report.complaints) == {"going on"}
    assert "repeated '1': it ignores Last-Event-ID" in report.complaints["going on"]
    assert report.advises("server", "on Last-Event-ID, send what came after that event")
    assert report.advises("client", "expect each event more than once")

    started = iter(range(1, 100_000))

    def live(exchange: Exchange) -> None:
        exchange.send_head()
        for number in started:
            exchange.send(f"id: {number}\ndata: {number}\n\n".encode())
            exchange.pause(0.05)

    server.handler = live
    report = examined(server.url)
    assert report.code == 1
    assert "or more are lost" in report.complaints["going on"]


def test_a_server_that_refuses_to_go_on(server: EventStreamServer) -> None:
    """An error in answer to Last-Event-ID is told as that."""
    server.stream(*[event(str(n), id=str(n)) for n in range(5)])
    server.respond(500)
    server.stream(event("x"))
    report = examined(server.url)
    assert "answered: the server answered 500" in report.complaints["going on"]


def test_missing_ids(server: EventStreamServer) -> None:
    """None, only some, or the same again: each is told."""
    server.handler = Ticks(ids=False)
    assert "has one: what is missed during a cut is lost" in examined(server.url, seconds=3).complaints["ids"]
    server.handler = lambda exchange: exchange.run(event("1", id="1"), event("2"), hold())
    assert examined(server.url, seconds=3).complaints["ids"] == "only 1 of 2 events have one"
    server.handler = lambda exchange: exchange.run(event("1", id="7"), event("2", id="7"), hold())
    assert examined(server.url, seconds=3).complaints["ids"] == "1 of 2 events have one that came before"


def test_a_page_behind_a_200(server: EventStreamServer) -> None:
    """HTML is told with its title, and that it may be a login page."""
    page = b"<!DOCTYPE html><html><head><title>\n Please log in </title></head></html>"
    server.respond(200, page, headers={"Content-Type": "text/html"})
    report = examined(server.url)
    assert report.code == 1
    assert report.complaints["answer"].endswith("it is a page with the title 'Please log in'")
    assert report.advises("client", "this may be a login page")
    assert report.requests == 1


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "log in: -u USER"), (404, "check the path"), (405, "another method"), (503, "overloaded")],
)
def test_refusals(server: EventStreamServer, status: int, advice: str) -> None:
    """Each refusal is told with what it says, and what to do."""
    server.respond(status, b"no, not\nyou")
    report = examined(server.url)
    assert report.code == 1
    assert f"the server answered {status}" in report.complaints["answer"]
    assert "it says 'no, not you'" in report.complaints["answer"]
    assert any(advice in text for _, text in report.advice)


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/x-ndjson"])
def test_lines_of_bare_json(server: EventStreamServer, content_type: str) -> None:
    """JSON lines are no event stream, whatever they are called."""
    lines = [raw(b'{"n": %d}\n' % n) for n in range(5)]
    server.stream(*lines, content_type=content_type)
    server.stream(*lines, content_type=content_type)
    report = examined(server.url, seconds=3)
    assert report.code == 1
    assert "lines of JSON are no event stream" in "".join(report.complaints.values())
    assert report.advises("server", 'each object as "data: {...}"')


def test_bytes_that_are_no_event_stream(server: EventStreamServer) -> None:
    """Data without empty lines, unknown fields, what is not UTF-8, a mark in the middle, an event cut by the end."""
    server.handler = lambda exchange: exchange.run(*[raw(b"data: %d\n" % n) for n in range(5)], hold())
    report = examined(server.url, seconds=3)
    assert report.complaints["bytes"] == "5 lines of data, and no empty line after any: clients never see an event"
    server.handler = lambda exchange: exchange.run(
        raw(b"\xef\xbb\xbfid: 1\ndata: \xff\n\n\xef\xbb\xbfdata: x\n\nid: 2\nData: 3\n\nretry: soon\nid: 3\ndata: ha")
    )
    report = examined(server.url, seconds=3)
    texts = report.about("bytes")
    assert "2 lines that are no field, such as '\\ufeffdata: x'" in texts
    assert "1 line that are not UTF-8" in texts
    assert "1 line with a byte order mark" in texts
    assert "retry is not a whole number of milliseconds" in texts
    assert "ended in the middle of an event" in texts


def test_a_cut_that_comes_back(server: EventStreamServer) -> None:
    """A stream that is cut each time after the same silence has a time-out on the way."""

    def cut(exchange: Exchange) -> None:
        exchange.send_head()
        exchange.pause(1.2)
        exchange.drop()

    server.handler = cut
    report = examined(server.url, seconds=6)
    assert report.code == 1
    assert (
        "was cut off after 1.2 s, each time 1.2 s after the last byte: a time-out on the way"
        in (report.complaints["end"])
    )
    assert report.advises("server", "send a comment line")


def test_what_is_held_back_is_seen_by_its_times(server: EventStreamServer) -> None:
    """Events that carry times apart and come together were held back; heartbeats likewise."""

    def hold_back(exchange: Exchange) -> None:
        ticks = [datetime.now(timezone.utc) + timedelta(seconds=0.2 * n) for n in range(200)]
        number = int(exchange.request.headers.get("Last-Event-ID", "0"))
        exchange.send_head()
        exchange.run(event("begin", id=str(number + 1)))
        for first in range(0, 200, 5):
            exchange.pause(1.0)
            exchange.run(
                raw(
                    "".join(
                        f"id: {number + 2 + n}\ndata: {ticks[n].isoformat()}\n\n" for n in range(first, first + 5)
                    ).encode()
                )
            )

    server.handler = hold_back
    report = examined(server.url, seconds=8)
    assert "in which their own times are up to 0.8 s apart" in report.complaints["delivery"]
    assert report.advises("proxy", "proxy_buffering off")
    assert report.advises("server", "X-Accel-Buffering: no")


def expired(authority: trustme.CA) -> ssl.SSLContext:
    """The server's side of TLS with a certificate that ran out in 2020."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ran_out = datetime(2020, 1, 2, tzinfo=timezone.utc)
    authority.issue_cert("127.0.0.1", not_before=ran_out - timedelta(days=9), not_after=ran_out).configure_cert(context)
    return context


def test_an_expired_certificate(authority: trustme.CA, tmp_path: Path) -> None:
    """When it ran out is told, and nothing is asked."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    with EventStreamServer(ssl_context=expired(authority)) as server:
        report = examined(server.url, "--cacert", str(path))
    assert report.code == 1
    assert report.complaints["TLS"].startswith("the certificate ran out on 2020-01-02, ")
    assert report.advises("server", "renew the certificate")
    assert report.requests == 0


def test_a_certificate_of_nobody_known(server_context: ssl.SSLContext) -> None:
    """An unknown authority is told, with what the client can do."""
    with EventStreamServer(ssl_context=server_context) as server:
        report = examined(server.url)
    assert "the certificate is not valid" in report.complaints["TLS"]
    assert report.advises("client", "--cacert FILE")


def test_redirects_and_what_they_drop(server: EventStreamServer, second_server: EventStreamServer) -> None:
    """A redirect to another origin leaves the login behind; each redirect counts as a request."""
    server.handler = lambda exchange: exchange.respond(307, headers={"Location": second_server.url + "there?s3cret"})
    second_server.handler = Ticks()
    report = examined(server.url, "-u", "me:s3cret")
    assert report.complaints["redirect"] == (
        f"1 on each connection, to {second_server.url}there?...; "
        "that is another origin, so these are not sent there: Authorization"
    )
    assert report.requests == len(server.requests) + len(second_server.requests) == 4
    server.handler = lambda exchange: exchange.respond(307, headers={"Location": "/on"})
    with contextlib.suppress(AssertionError):
        examined(server.url)


def test_what_cannot_be_reached() -> None:
    """A port where nobody listens, or a name that is none, is code 2 and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    report = examined(f"http://127.0.0.1:{port}/")
    assert report.code == 2
    assert "no connection to 127.0.0.1" in report.complaints["connection"]
    report = examined("http://nowhere.invalid/")
    assert report.code == 2
    assert "nowhere.invalid cannot be resolved" in report.complaints["name"]
    assert report.requests == 0


# How it is reported


def test_the_report_for_people(server: EventStreamServer) -> None:
    """A verdict a line, then what to change and where, then the sum; no secret."""
    server.handler = lambda exchange: exchange.run(event("1"), event("2"), hold())
    code, out, err = run("--doctor", "--max-time", "3", "-H", "X-Key: s3cret", server.url + "?s3cret", timeout=30)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == f"sse-client doctor: {server.url}?..."
    assert lines[1] == "At most 4 requests and 3 seconds."
    assert any(line.startswith("ok       answer      200, text/event-stream, chunked, head after 0.") for line in lines)
    assert any(line.startswith("warning  ids         none of 2 events has one") for line in lines)
    advice = lines.index("What to change")
    assert lines[advice + 2].startswith("server   give each event an id of its own")
    assert lines[-1].startswith("1 warning; 3 requests, ")
    assert "s3cret" not in out
    assert max(map(len, lines)) <= 80


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
def test_the_report_on_a_terminal_is_safe_and_in_colours(server: EventStreamServer) -> None:
    """Levels have colours; nothing of the server's steers the terminal."""
    server.handler = lambda exchange: exchange.run(raw(b"\x1b[2J\xe2\x80\xae: x\n\n"), hold())
    code, shown = run_on_terminal("--doctor", "--max-time", "3", server.url, timeout=30)
    assert code == 1
    assert "\x1b[32mok       \x1b[0m" in shown
    assert "\x1b[33;1mwarning  \x1b[0m" in shown
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown


def test_json_has_all_of_it(server: EventStreamServer) -> None:
    """--json is one object."""
    server.handler = Ticks()
    code, out, _ = run("--doctor", "--json", "--max-time", "3", server.url, timeout=30)
    report = json.loads(out)
    assert code == 0
    assert set(report) == {"url", "verdicts", "advice", "warnings", "problems", "requests", "seconds"}
    assert all(set(verdict) == {"level", "subject", "text"} for verdict in report["verdicts"])
