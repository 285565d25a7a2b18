"""The replies that an `EventStreamServer` can be told to give, as the handlers that give them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Optional, Union

from sse_client.events import MessageEvent

from .encoding import encode_message, encode_retry
from .exchange import Exchange, Handler
from .head import BodyEncoder, Encoding, Head, HeaderFields, as_body, header_pairs
from .http import ExchangeEnded
from .script import Step, StepLike, as_steps, raw

__all__ = ["log_reply", "misdirected_reply", "plain_reply", "silent_reply", "stream_reply"]


def stream_reply(script: Iterable[StepLike], head: Head) -> Handler:
    """Return a handler that plays ``script`` after the head; a Content-Length is that of all the steps."""
    steps = as_steps(script)
    if head.framing == "length":
        head = replace(head, content_length=_length(steps, head.encoding, cut=head.cut_after is not None))

    def reply(exchange: Exchange) -> None:
        exchange.begin(head)
        for step in steps:
            step.play(exchange)

    return reply


def plain_reply(status: int, body: Union[bytes, str] = b"", headers: HeaderFields = ()) -> Handler:
    """Return a handler that sends a whole response."""
    data, pairs = as_body(body), header_pairs(headers)

    def reply(exchange: Exchange) -> None:
        exchange.respond(status, data, pairs)

    return reply


def silent_reply(exchange: Exchange) -> None:
    """Never answer."""
    exchange.hold()


def misdirected_reply(exchange: Exchange) -> None:
    """Say that the request is for another server."""
    exchange.respond(421, "this test server has another name: see host_names of EventStreamServer\n")


def log_reply(
    events: Union[int, Iterable[MessageEvent]],
    head: Head,
    *,
    cuts: Iterable[Optional[int]] = (),
    retry: Optional[float] = None,
) -> Handler:
    """Return a handler that serves a log; see `EventStreamServer.serve_log`."""
    log = (
        [MessageEvent(data=str(n), last_event_id=str(n)) for n in range(1, events + 1)]
        if isinstance(events, int)
        else list(events)
    )
    steps: Sequence[Step] = [raw(encode_message(event)) for event in log]
    opening: Sequence[Step] = [] if retry is None else [raw(encode_retry(retry))]
    following = {event.last_event_id: position for position, event in enumerate(log, start=1)}
    if len(following) < len(log) or "" in following:
        raise ValueError("events must each have a last_event_id of its own, so that a client can name the one it has")
    following[""] = 0
    remaining_cuts: Iterator[Optional[int]] = iter(cuts)
    lock = threading.Lock()  # a generator of cuts cannot be asked by two threads at once

    def reply(exchange: Exchange) -> None:
        last_event_id = exchange.request.headers.get("Last-Event-ID", "")
        if last_event_id not in following:
            with contextlib.suppress(ExchangeEnded):  # the client may leave at the sight of the status
                exchange.respond(400, b"no such event in the log")
            raise AssertionError(f"a client asked for what follows event {last_event_id!r}, which is not in the log")
        position = following[last_event_id]
        if position == len(log):
            exchange.respond(204)
            return
        with lock:
            cut_after = next(remaining_cuts, None)
        script = [*opening, *steps[position:]]
        stream_reply(script, replace(head, cut_after=cut_after))(exchange)

    return reply


def _length(steps: Sequence[Step], encoding: Optional[Encoding], *, cut: bool) -> int:
    encoder = BodyEncoder(encoding)
    length = sum(len(encoder.encode(step.payload)) for step in steps if step.payload) + len(encoder.finish())
    # A body that breaks off must be short of its length even if the break is at the end of the script.
    return length + (cut or any(step.last for step in steps))
