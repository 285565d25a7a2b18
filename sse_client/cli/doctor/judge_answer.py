"""Verdicts about the answer: whether there is one, what it is, who gave it, and when. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Optional

from sse_client.errors import CertificateRejected, ResponseRejected

from .stream import Observation
from .verdict import BUFFERING, CLIENT, PROXY, SERVER, Advice, Verdict, ok, problem, warning

_HELD = 1.0  # seconds for a head after which it matters whether the first bytes came along
_ALONG = 0.1  # seconds between the head and what came along with it
_SIGNATURES = ("server", "via", "x-cache", "cf-ray", "x-served-by", "x-powered-by", "age")
_TITLE = re.compile("<title[^>]{0,200}>([^<]{1,200})", re.IGNORECASE)
_MAX_SAMPLE = 60

_FLUSH = Advice(SERVER, 'send the head at once: flush it, or send a comment line (": hello") as the first bytes')
_BY_STATUS = {
    401: Advice(CLIENT, "log in: -u USER, -H 'Authorization: Bearer ...', or SSE_AUTHORIZATION"),
    403: Advice(CLIENT, "check that the login may see this stream, and that no firewall refuses this client"),
    404: Advice(CLIENT, "check the path of the URL"),
    405: Advice(CLIENT, "ask with another method: -X, or a body with -d"),
    407: Advice(PROXY, "log in to the proxy: -x http://USER:PASSWORD@HOST:PORT"),
    429: Advice(CLIENT, "ask less often, from fewer clients"),
    502: Advice(PROXY, "see that the server behind it runs"),
    503: Advice(SERVER, "wait, or see why it is overloaded or closed"),
    504: Advice(PROXY, "wait longer for the server behind it, which sends no head in time"),
}


def judge_answer(observation: Observation, *, connected_in: float) -> Verdict:
    """Say what was answered, or that nothing was."""
    error, head = observation.error, observation.head
    if head is None:
        if isinstance(error, ResponseRejected):
            return _refusal(error)
        if isinstance(error, CertificateRejected):
            return problem("answer", error.reason, Advice(SERVER, "get a certificate that clients accept"))
        if error is not None:
            return problem("answer", error.reason, Advice(SERVER, "see in its log what it made of the request"))
        return warning(
            "answer",
            f"no head within {observation.ended_at:.0f} s, though the connection took {connected_in * 1000:.0f} ms: "
            "it is held back until there is an event, or a buffer is full",
            _FLUSH,
            *BUFFERING,
        )
    if head.status == 204:
        return warning(
            "answer", "204: the stream is over, and clients are not to come back", Advice(CLIENT, "ask later")
        )
    headers = head.headers
    words = [
        str(head.status),
        headers.get("content-type", "no type"),
        _framing(headers),
        f"head after {observation.head_at:.2f} s",
    ]
    coding = headers.get("content-encoding")
    if coding:
        words.insert(3, coding)
    charset = re.search("charset=[\"']?([^\"';, ]+)", headers.get("content-type", ""), re.IGNORECASE)
    if charset and charset[1].lower().replace("-", "") != "utf8":
        text = f"{', '.join(words)}; an event stream is UTF-8, whatever its type says"
        return warning("answer", text, Advice(SERVER, "send Content-Type: text/event-stream, in UTF-8"))
    return ok("answer", ", ".join(words))


def judge_head(observation: Observation, *, connected_in: float) -> Iterator[Verdict]:
    """Say whether the head was held back until there was an event."""
    arrivals = observation.content.arrivals
    waited = observation.head_at - connected_in
    if observation.head is None or not arrivals or waited < _HELD:
        return
    if arrivals[0].at - observation.head_at < _ALONG:
        yield warning(
            "head",
            f"it came after {observation.head_at:.1f} s, with the first bytes: until there is an event, clients do not "
            "know whether they are connected",
            _FLUSH,
        )


def judge_redirect(observation: Observation, shown_url: str, names: list[str]) -> Iterator[Verdict]:
    """Say where redirects lead, and what is not sent there."""
    error = observation.error
    url = (
        observation.head.url if observation.head else (error.url if isinstance(error, ResponseRejected) else shown_url)
    )
    if url == shown_url or observation.requests < 2:
        return
    text = f"{observation.requests - 1} on each connection, to {url}"
    if _origin(url) != _origin(shown_url) and names:
        yield warning(
            "redirect",
            f"{text}; that is another origin, so these are not sent there: {', '.join(names)}",
            Advice(CLIENT, "ask there in the first place"),
        )
    else:
        yield ok("redirect", text)


def judge_way_back(observation: Observation) -> Iterator[Verdict]:
    """Say who answered, and what the answer asks of those on the way."""
    headers = observation.head.headers if observation.head else getattr(observation.error, "headers", {})
    signs = [f"{name.title()}: {headers[name][:_MAX_SAMPLE]}" for name in _SIGNATURES if name in headers]
    if observation.head is not None:
        asks = [
            text
            for name, value, text in (
                ("x-accel-buffering", "no", "X-Accel-Buffering: no"),
                ("cache-control", "no-transform", "Cache-Control: no-transform"),
            )
            if value in headers.get(name, "").lower()
        ]
        signs.append(
            f"asks proxies not to buffer ({', '.join(asks)})" if asks else "does not ask proxies not to buffer"
        )
    if not signs:
        return
    if headers.get("x-cache", "").lower().startswith("hit") or int(_digits(headers.get("age", ""))) > 0:
        advice = (Advice(SERVER, "send Cache-Control: no-store"), Advice(PROXY, "do not cache event streams"))
        yield warning("headers", f"{'; '.join(signs)}: that is an old answer, out of a cache", *advice)
    else:
        yield ok("headers", "; ".join(signs))


def _refusal(error: ResponseRejected) -> Verdict:
    body = error.text.strip()
    kind = error.headers.get("content-type", "").lower()
    text = error.reason
    if error.status == 200 and "text/event-stream" not in kind:
        text = f"200, but {kind[:_MAX_SAMPLE] or 'without a type'}, not text/event-stream"
    title = _TITLE.search(body)
    advice: Optional[Advice] = _BY_STATUS.get(error.status)
    if error.status == 200 and ("html" in kind or title):
        text += f"; it is a page{f' with the title {title[1].strip()!r}' if title else ''}"
        advice = Advice(CLIENT, "check the URL and the login: this may be a login page, or a single-page application")
    elif error.status == 200 and body[:1] in ("{", "["):
        text += f"; it begins with {body[:_MAX_SAMPLE]!r}: lines of JSON are no event stream"
        advice = Advice(SERVER, 'send text/event-stream: each object as "data: {...}" with an empty line after it')
    elif error.status == 200:
        advice = Advice(SERVER, "send Content-Type: text/event-stream")
    elif body:
        text += f"; it says {' '.join(body.split())[:_MAX_SAMPLE]!r}"
    return problem("answer", text, advice)


def _framing(headers: Mapping[str, str]) -> str:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return "chunked"
    length = headers.get("content-length")
    return "until the connection closes" if length is None else f"{length} bytes and no more"


def _digits(text: str) -> str:
    return text if text.isascii() and text.isdigit() and len(text) < 12 else "0"


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
