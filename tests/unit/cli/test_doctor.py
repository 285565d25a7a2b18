"""What the doctor makes of what it has measured: pace, lines, addresses, certificates, going on; no network."""

from __future__ import annotations

import errno
import socket
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

import pytest

from sse_client import ConnectionFailed, ConnectionLost, MessageEvent, ResponseHead, ResponseRejected
from sse_client.cli.doctor.content import Arrival, Content, read_content
from sse_client.cli.doctor.delivery import evidence_of_holding_back, time_of
from sse_client.cli.doctor.judge_answer import judge_answer, judge_head, judge_way_back
from sse_client.cli.doctor.judge_network import judge_name, judge_tls, judge_tunnel
from sse_client.cli.doctor.judge_stream import (
    judge_bytes,
    judge_compressed,
    judge_delivery,
    judge_end,
    judge_going_on,
    judge_ids,
    judge_retry,
    judge_silence,
    place_to_go_on,
)
from sse_client.cli.doctor.network import Address, Look, Tls, Way, look_up
from sse_client.cli.doctor.stream import Observation
from sse_client.cli.doctor.verdict import Verdict

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
Chunks = list[tuple[float, bytes]]


def seen(
    chunks: Optional[Chunks] = None,
    *,
    head_at: float = 0.1,
    ended_at: Optional[float] = None,
    error: Any = None,
    is_ended: bool = False,
    **headers: str,
) -> Observation:
    """What one request gave: an event stream, unless there is an error of another kind."""
    content = read_content(chunks or [])
    opened = error is None or isinstance(error, ConnectionLost)
    given = {"content-type": "text/event-stream", **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = ResponseHead("http://a.test/", "http://a.test", 200, given) if opened else None
    if ended_at is None:
        ended_at = content.arrivals[-1].at if content.arrivals else head_at
    return Observation(1, head, head_at, content, ended_at, error, is_ended)


def said(verdict: Verdict) -> str:
    """A verdict in one line."""
    return f"{verdict.level}: {verdict.text}"


def stamped(*seconds: float, form: str = "iso") -> bytes:
    """Events that carry these times."""
    forms: dict[str, Any] = {
        "iso": lambda at: (NOW + timedelta(seconds=at)).isoformat(),
        "zulu": lambda at: (NOW + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "milliseconds": lambda at: f"{(NOW.timestamp() + at) * 1000:.0f}",
        "float": lambda at: f"{NOW.timestamp() + at:.3f}",
        "seconds": lambda at: f"{NOW.timestamp() + at:.0f}",
    }
    return b"".join(b'data: {"at": "%s"}\n\n' % forms[form](at).encode() for at in seconds)


def arrivals(*chunks: tuple[float, bytes]) -> list[Arrival]:
    return read_content(chunks).arrivals


EVENT = b"data: x\n\n"


# Held back, or not


def test_a_pause_inside_an_event_tells() -> None:
    """A buffer that fills up cuts events anywhere; once may be chance, again and again is not."""
    cut = [(float(n), b"data: x\n\ndata: y\n\nda" if n % 2 else b"ta: z\n\ndata: x\n\nda") for n in range(1, 6)]
    assert "4 of 4 pauses split an event" in (evidence_of_holding_back(arrivals(*cut)) or "")
    once = [(1.0, EVENT + b"da"), (2.0, b"ta: y\n\n"), (3.0, EVENT), (4.0, EVENT)]
    assert evidence_of_holding_back(arrivals(*once)) is None


@pytest.mark.parametrize("form", ["iso", "zulu", "milliseconds", "float"])
def test_times_that_lie_apart_tell(form: str) -> None:
    """What happened at different moments, within the pause, and came at one, was held back."""
    chunks = [(0.0, EVENT), *((float(n), stamped(n - 0.9, n - 0.5, n - 0.1, form=form)) for n in range(1, 5))]
    assert "their own times are up to 0.8 s apart" in (evidence_of_holding_back(arrivals(*chunks)) or "")


def test_times_that_tell_nothing() -> None:
    """Times of one moment, of long ago, in no order, or in whole seconds only, are no evidence; nor is a backlog."""
    for lump in (
        lambda n: stamped(n, n, n),
        lambda n: stamped(n - 5000.0, n),
        lambda n: stamped(n, n - 0.5),
        lambda n: stamped(n - 0.6, n + 0.4, form="seconds"),
        lambda n: b"data: no time\n\n" * 3,
        lambda n: b'data: {"id": 1234567890123456}\n\n' * 2,
    ):
        chunks = [(0.0, EVENT), *((float(n), lump(n)) for n in range(1, 6))]
        assert evidence_of_holding_back(arrivals(*chunks)) is None
    backlog = [(0.0, stamped(*range(-50, 0))), *((float(n), stamped(n)) for n in range(1, 5))]
    assert evidence_of_holding_back(arrivals(*backlog)) is None


def test_heartbeats_that_come_together_tell() -> None:
    """Several heartbeats at once waited for each other; one or two a time is how a server may send them."""
    assert "heartbeats come up to 4 at once" in (
        evidence_of_holding_back(arrivals((0.0, EVENT), (5.0, b":\n" * 4), (10.0, b":\n" * 4))) or ""
    )
    assert evidence_of_holding_back(arrivals((0.0, EVENT), (5.0, b":\n:\n"), (10.0, b":\n:\n"))) is None


def test_the_size_of_a_buffer_tells() -> None:
    """What has the size of a buffer each time came out of one; pieces of one moment are one lump."""
    lump = b"data: " + b"x" * (2048 - 8) + b"\n\n"
    chunks = [(0.0, EVENT)]
    for n in range(1, 5):
        chunks += [(float(n), lump), (n + 0.01, lump)]
    assert "lumps of exactly 4096 bytes" in (evidence_of_holding_back(arrivals(*chunks)) or "")
    assert evidence_of_holding_back(arrivals(*((n, s + b"\n\n") for n, s in chunks))) is None


def test_a_steady_stream_holds_nothing_back() -> None:
    """An event now and then, or many all the time, in any pieces."""
    assert evidence_of_holding_back(arrivals(*((n * 2.0, EVENT) for n in range(10)))) is None
    assert evidence_of_holding_back(arrivals(*((n * 0.001, EVENT[:4]) for n in range(1000)))) is None
    assert evidence_of_holding_back([]) is None


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (MessageEvent(last_event_id="1700000000123-0"), 1_700_000_000.123),
        (MessageEvent(last_event_id="1700000000:3"), 1_700_000_000.0),
        (MessageEvent(data='{"time": 1700000000.25}'), 1_700_000_000.25),
        (MessageEvent(data="at 2023-11-14 22:13:20"), 1_700_000_000.0),
        (MessageEvent(data="2023-11-14T23:13:20.5+01:00"), 1_700_000_000.5),
        (MessageEvent(data="2023-11-14T23:13:20+0100"), 1_700_000_000.0),
        (MessageEvent(data="2023-99-14T23:13:20Z"), None),
        (MessageEvent(data="17000000001234567"), None),
        (MessageEvent(data="0.1700000000"), None),
        (MessageEvent(last_event_id="7", data="x"), None),
    ],
)
def test_the_time_of_an_event(event: MessageEvent, expected: Optional[float]) -> None:
    """ISO and epoch times, in IDs and data; other numbers are none."""
    assert time_of(event) == expected


# Lines


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_lines_are_counted_however_they_are_cut(size: int) -> None:
    """What is a field, a comment, or neither does not depend on the cutting."""
    stream = (
        b"\xef\xbb\xbfid: 1\r\ndata: a\r\n\r\n:c\rdata: b\r\r\nfoo: bar\n{}\n"
        b"\xef\xbb\xbfid: 2\nretry: x\ndata: \xff\n\ndata"
    )
    content = read_content([(0.0, stream[i : i + size]) for i in range(0, len(stream), size)])
    assert content.fields == {"id": 1, "data": 3, "retry": 1}
    assert content.unknown == ["foo: bar", "{}", "\ufeffid: 2"]
    assert (content.unknown_count, content.invalid_utf8, content.byte_order_marks, content.bad_retries) == (3, 1, 1, 1)
    assert [event.data for event in content.events] == ["a", "b", "\ufffd"]
    assert (content.comments, content.blank_lines, content.unfinished, content.size) == (1, 3, 4, len(stream))
    assert content.arrivals[-1].ends_inside


def test_a_line_that_never_ends() -> None:
    """An object without any line end is told as what it is; a field that is under way is not."""
    (verdict,) = judge_bytes(seen([(0.1, b'{"error": '), (0.2, b'"no"}')], ended_at=5.0))
    assert said(verdict) == (
        """problem: 15 bytes and no end of a line, such as '{"error": "no"}': lines of JSON are no event stream"""
    )
    for stream in (b"data: x\nda", b"da", b"data: x", b"\xef\xbb\xbfid: 1", b": comment", b""):
        assert list(judge_bytes(seen([(0.1, stream)], ended_at=5.0))) == []


def test_a_comment_is_no_unfinished_event() -> None:
    """After a comment's line, or a blank one, nothing has begun."""
    ends = [
        arrival.ends_inside for arrival in arrivals((0, b":\n"), (1, b"\n"), (2, b"id: 1\n"), (3, b"\r"), (4, b"x"))
    ]
    assert ends == [False, False, True, False, True]


# The way


def address(text: str, error: Optional[str] = None, *, is_ours: bool = False) -> Address:
    return Address("IPv6" if ":" in text else "IPv4", text, 0.02, error, is_ours)


def about_addresses(*addresses: Address) -> str:
    way = Way(None, "", "example.com", 443)
    name, connection = judge_name(way, Look(0.005, addresses))
    assert said(name).startswith("ok: example.com is ")
    return said(connection)


def test_a_dead_address_among_others() -> None:
    """It is named with its failure; one that only this machine cannot reach, or on the loopback, is no fault."""
    good, bad = address("93.184.216.34"), address("2606:2800::1", "no answer in time")
    assert about_addresses(good, bad) == (
        "warning: IPv4 in 20 ms; but not to 2606:2800::1 (no answer in time): clients that try it first lose time"
    )
    assert about_addresses(good, address("2606:2800::1", "Network is unreachable", is_ours=True)) == (
        "ok: IPv4 in 20 ms (this machine has no IPv6)"
    )
    assert about_addresses(address("127.0.0.1"), address("::1", "Connection refused")) == "ok: IPv4 in 20 ms"
    assert about_addresses(good, address("10.0.0.1", "Connection refused")).startswith("warning: ")
    assert about_addresses(bad).startswith("problem: no connection to 2606:2800::1 port 443: no answer in time")


def test_looking_a_name_up_tries_each_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are tried at once, in the order of the look-up, those that fail too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        infos = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("100::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.9", port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
        look = look_up("a.test", port, 1.0)
    assert [address.address for address in look.addresses] == ["100::1", "127.0.0.9", "127.0.0.1"]
    assert [address.error is None for address in look.addresses] == [False, False, True]


def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's reason is told; a look-up that takes too long is given up."""
    monkeypatch.setattr(socket, "getaddrinfo", _raise(socket.gaierror(errno.ENOENT, "Name or service not known")))
    look = look_up("a.test", 80, 1.0)
    (verdict,) = judge_name(Way(None, "", "a.test", 80), look)
    assert said(verdict) == "problem: a.test cannot be resolved: Name or service not known"


def _raise(error: Exception) -> Any:
    def function(*_: Any, **__: Any) -> None:
        raise error

    return function


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        (
            Tls("TLSv1.3", None, "X", NOW + timedelta(days=62)),
            "ok: TLSv1.3, issued by X, checked against Y, valid for 62 days",
        ),
        (
            Tls("TLSv1.3", None, "X", NOW + timedelta(days=3)),
            "warning: TLSv1.3, issued by X, checked against Y; it runs out in 3 days",
        ),
        (
            Tls("TLSv1.1", None, "", None),
            "warning: TLSv1.1, issued by nobody known, checked against Y; TLSv1.1 is broken",
        ),
        (Tls("TLSv1.2", None, "X", None), "ok: TLSv1.2, issued by X, checked against Y"),
        (
            Tls("", "certificate has expired", "", NOW - timedelta(days=2)),
            "problem: the certificate ran out on 2025-12-30, 2 days ago",
        ),
        (Tls("", "certificate has expired", "", None), "problem: the certificate ran out"),
        (
            Tls("", "self-signed certificate", "", None),
            "problem: the certificate is not valid: self-signed certificate",
        ),
        (Tls("", "Hostname mismatch, ...", "", None), "problem: Hostname mismatch, ..."),
        (Tls("", "wrong version number", "", None), "problem: the handshake failed: wrong version number"),
    ],
)
def test_certificates(tls: Tls, expected: str) -> None:
    """Who vouches, for how long, with which version, and why not."""
    assert said(judge_tls(tls, is_checked=True, authorities="Y", now=NOW)) == expected


def test_certificates_that_are_not_checked() -> None:
    """With -k that is what there is to say, through a proxy too."""
    verdict = judge_tls(Tls("TLSv1.3", None, "", None), is_checked=False, authorities="", now=NOW)
    assert said(verdict) == "warning: TLSv1.3, with a certificate that is not checked (-k)"
    assert said(judge_tunnel(is_checked=False, authorities="Y")).startswith("warning: inside the proxy's tunnel")
    assert said(judge_tunnel(is_checked=True, authorities="Y")) == "ok: inside the proxy's tunnel, checked against Y"


# The answer


def test_what_is_answered() -> None:
    """Status, type, coding, framing, and when; another charset is told."""
    head = judge_answer(seen(head_at=0.25, content_encoding="gzip", transfer_encoding="chunked"), connected_in=0.01)
    assert said(head) == "ok: 200, text/event-stream, chunked, gzip, head after 0.25 s"
    assert "until the connection closes" in judge_answer(seen(), connected_in=0.01).text
    assert "7 bytes and no more" in judge_answer(seen(content_length="7"), connected_in=0.01).text
    latin = judge_answer(seen(content_type="text/event-stream; charset=latin-1"), connected_in=0.01)
    assert said(latin).startswith("warning: ")
    assert said(judge_answer(seen(error=ConnectionFailed("reset", url="")), connected_in=0.01)) == "problem: reset"


@pytest.mark.parametrize(
    ("status", "body", "kind", "expected"),
    [
        (502, b"bad\ngateway", "text/plain", "no; it says 'bad gateway'"),
        (
            200,
            b"<title>Log in</title>",
            "text/html",
            "200, but text/html, not text/event-stream; it is a page with the title 'Log in'",
        ),
        (
            200,
            b"{}",
            "application/json",
            "200, but application/json, not text/event-stream; it begins with '{}': lines of JSON are no event stream",
        ),
        (200, b"", "", "200, but without a type, not text/event-stream"),
        (200, b"", "text/event-stream", "no"),
        (404, b"", "", "no"),
    ],
)
def test_refusals(status: int, body: bytes, kind: str, expected: str) -> None:
    """What a refusal says of itself is told."""
    error = ResponseRejected("no", url="", status=status, headers={"content-type": kind}, body=body)
    verdict = judge_answer(seen(error=error), connected_in=0.01)
    assert said(verdict) == f"problem: {expected}"
    assert verdict.advice


def test_a_head_that_came_late() -> None:
    """Late and with the first bytes it was held back; late alone, or early, it was not."""
    assert [said(v)[:31] for v in judge_head(seen([(2.05, EVENT)], head_at=2.0), connected_in=0.1)] == [
        "warning: it came after 2.0 s, w"
    ]
    assert list(judge_head(seen([(5.0, EVENT)], head_at=2.0), connected_in=0.1)) == []
    assert list(judge_head(seen([(0.2, EVENT)], head_at=0.2), connected_in=0.1)) == []
    assert list(judge_head(seen([(2.05, EVENT)], head_at=2.0), connected_in=1.5)) == []


def test_an_answer_out_of_a_cache() -> None:
    """X-Cache: HIT, or an Age, is an old answer; MISS and Age: 0 are not."""
    for headers in ({"x_cache": "HIT from a"}, {"age": "120"}):
        (verdict,) = judge_way_back(seen(**headers))
        assert verdict.level == "warning"
    for headers in ({"x_cache": "MISS from a"}, {"age": "0"}, {"age": "soon"}, {}):
        (verdict,) = judge_way_back(seen(**headers))
        assert verdict.level == "ok"
    (verdict,) = judge_way_back(seen(server="nginx", x_accel_buffering="no", cache_control="no-cache, no-transform"))
    assert verdict.text == (
        "Server: nginx; asks proxies not to buffer (X-Accel-Buffering: no, Cache-Control: no-transform)"
    )


# The stream


def test_silence_is_measured_against_what_commonly_cuts() -> None:
    """60 s, 100 s and 350 s are each named when they are passed."""
    assert said(judge_silence(seen([(0.1, EVENT), (30.0, EVENT)]))) == (
        "ok: the longest silence was 29.9 s, below the 60 s of common proxies"
    )
    assert "the 60 s of common proxies would have cut it" in said(judge_silence(seen([(0.1, EVENT)], ended_at=70.0)))
    text = said(judge_silence(seen([(0.1, EVENT)], ended_at=400.0)))
    assert text.startswith("warning: ")
    assert "60 s of common proxies and Cloudflare's 100 s and the 350 s of NAT gateways" in text
    beats = judge_silence(seen([(15.0 * n, b":\n") for n in range(1, 5)]))
    assert said(beats) == (
        "ok: 4 comments, one in 15.0 s; the longest silence was 15.0 s, below the 60 s of common proxies"
    )
    assert "too short a look" in said(judge_silence(seen(ended_at=9.0)))


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n", "ok: 2 events, each with its own"),
        (b"data: a\n\n", "warning: none of 1 event has one: what is missed during a cut is lost"),
        (b"id: 1\ndata: a\n\ndata: b\n\n", "warning: only 1 of 2 events have one"),
        (b"id: 1\ndata: a\n\nid: 1\ndata: b\n\n", "warning: 1 of 2 events have one that came before"),
    ],
)
def test_ids(stream: bytes, expected: str) -> None:
    """On all events, and unique."""
    (verdict,) = judge_ids(read_content([(0.0, stream)]))
    assert said(verdict) == expected
    assert list(judge_ids(Content())) == []


@pytest.mark.parametrize(
    ("retry", "level"), [(b"1000", "ok"), (b"0", "warning"), (b"50", "warning"), (b"99999999", "warning"), (b"x", None)]
)
def test_retry(retry: bytes, level: Optional[str]) -> None:
    """Some seconds are well; none at all, or hours, are not."""
    verdicts = list(judge_retry(read_content([(0.0, b"retry: " + retry + b"\n\n")])))
    assert [verdict.level for verdict in verdicts] == ([] if level is None else [level])


def numbered(*numbers: int) -> bytes:
    return b"".join(b"id: %d\ndata: %d\n\n" % (n, n) for n in numbers)


SIX = (1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (SIX, (4, 5), "ok: asked to go on after '3', the server continued with '4'"),
        (SIX, (1, 2), "warning: asked to go on after '3', the server repeated '1': it ignores Last-Event-ID"),
        (SIX, (3, 4), "warning: asked to go on after '3', the server repeated '3': it ignores Last-Event-ID"),
        (SIX, (6, 7), "warning: asked to go on after '3', the server went on with '6': 2 events or more are lost"),
        (SIX, (9,), "warning: asked to go on after '3', the server went on with '9': 3 events or more are lost"),
        (
            SIX,
            (),
            "warning: asked to go on after '3', the server sent nothing for 5 s, though 3 events had followed",
        ),
        ((1,), (), "ok: asked to go on after '1', the server sent nothing yet, so it did not begin again"),
        ((1,), (1,), "warning: asked to go on after '1', the server repeated '1': it ignores Last-Event-ID"),
        (
            (1,),
            (2,),
            "ok: asked to go on after '1', the server did not begin again; whether one was lost is not clear",
        ),
    ],
)
def test_going_on(first: tuple[int, ...], second: tuple[int, ...], expected: str) -> None:
    """Continued, repeated, or lost: by comparison with what had come before."""
    events = read_content([(0.0, numbered(*first))]).events
    again = seen([(0.1, numbered(*second))], ended_at=5.0)
    assert said(judge_going_on(events, place_to_go_on(events), again)) == expected


def test_a_cut() -> None:
    """After the same silence each time it is a time-out; an end with events is a long poll."""
    lost = ConnectionLost("cut in the middle", url="")
    first = seen([(0.5, EVENT)], ended_at=10.5, error=lost, is_ended=True)
    again = seen([(0.3, EVENT)], ended_at=10.2, error=lost, is_ended=True)
    (verdict,) = judge_end(first, [again])
    assert (
        verdict.text
        == "the stream was cut off after 10.5 s, each time 10.0 s after the last byte: a time-out on the way"
    )
    (verdict,) = judge_end(first, [])
    assert "and 10.0 s after the last byte: a time-out on the way" in verdict.text
    (verdict,) = judge_end(seen([(0.5, EVENT)], ended_at=0.6, error=lost, is_ended=True), [])
    assert said(verdict) == "warning: the stream was cut off after 0.6 s: cut in the middle"
    (verdict,) = judge_end(seen([(0.5, EVENT)], ended_at=0.6, is_ended=True), [])
    assert verdict.level == "ok"
    (verdict,) = judge_end(seen(ended_at=0.6, is_ended=True), [])
    assert said(verdict) == "warning: the stream ended after 0.6 s, without a byte"
    clean = [seen([(0.1, EVENT)], ended_at=5.0 + n / 10, is_ended=True) for n in range(2)]
    (verdict,) = judge_end(clean[0], clean[1:])
    assert "each time 4.9 s after the last byte" in verdict.text
    assert list(judge_end(seen([(0.5, EVENT)]), [])) == []


def test_compression_is_blamed_only_for_a_silence_that_is_longer_than_others() -> None:
    """A stream that is quiet anyway is not blamed; one that came at once, and compressed not at all, is."""
    fast = seen([(0.1 * n, EVENT) for n in range(1, 30)])
    slow = seen([(3.0 * n, EVENT) for n in range(1, 5)])
    nothing = Observation(1, None, 0.0, Content(), 4.0, None, is_ended=False)
    assert [verdict.level for verdict in judge_compressed(fast, nothing)] == ["warning"]
    assert list(judge_compressed(slow, nothing)) == []
    assert list(judge_compressed(fast, seen([(0.1, EVENT)]))) == []  # it was not compressed
    assert [v.level for v in judge_compressed(fast, seen([(0.1, EVENT)], content_encoding="gzip"))] == ["ok"]


def test_the_pace_is_told() -> None:
    """When the first byte and the first event came, and in how many pieces."""
    verdict = judge_delivery(seen([(0.2, b":\n"), (0.5, EVENT * 2), (0.6, EVENT)]))
    assert said(verdict) == (
        "ok: first byte after 0.20 s, first event after 0.50 s; 3 events in 2 pieces, no sign of holding back"
    )
