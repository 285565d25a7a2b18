"""The doctor's round: the way, the stream, going on, compression; within its time and its four requests."""

from __future__ import annotations

import argparse
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, Callable

from sse_client._http.authorities import system_context
from sse_client._http.url import Url
from sse_client.cli.request import stream_settings
from sse_client.cli.terminal import Terminal
from sse_client.parser import EventStreamParser
from sse_client.source import EventSource

from .judge_answer import judge_answer, judge_head, judge_redirect, judge_way_back
from .judge_network import judge_name, judge_tls, judge_tunnel, judge_way
from .judge_stream import (
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
from .network import look_up, shake_hands, way_to
from .report import JsonReport, Report, TextReport
from .stream import Observation, observe
from .verdict import Verdict

MAX_REQUESTS = 4
DEFAULT_SECONDS = 30.0

_NETWORK, _FIRST, _GOING_ON, _COMPRESSED = 0.15, 0.5, 0.2, 0.15  # parts of the time
_MORE = 1.0  # seconds beyond those after which a stream was cut, to see whether it is cut again
_MANY = 25  # reads that show the pace of a stream


class Doctor:
    """One examination.

    Args:
        options: What the command was given.
        environ: The environment.

    Attributes:
        requests: How many requests have been made.
        is_reached: Whether a connection could be made.

    Raises:
        ValueError, ImportError: An option is wrong; the message names it.
    """

    requests: int
    is_reached: bool

    def __init__(self, options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> None:
        self.requests = 0
        self.is_reached = False
        self._options = options
        self._environ = environ
        self._seconds = options.max_time or DEFAULT_SECONDS
        self._settings: dict[str, Any] = {**stream_settings(options, environ), "idle_timeout": None}
        self._settings["response_timeout"] = None  # the doctor has a clock of its own
        self._url = Url.parse(options.url)
        self._connector = EventSource(options.url, **self._settings).connector
        self._is_get = self._settings["method"].upper() in ("GET", "HEAD")
        self._started = time.monotonic()

    def verdicts(self) -> Iterator[Verdict]:
        """Go the round, and yield each verdict as soon as it is clear. Blocks.

        Raises:
            ValueError, ImportError: The environment names a proxy that cannot be used.
        """
        self._started = time.monotonic()
        way = way_to(self._url, self._options.proxy, self._environ)
        yield judge_way(way)
        look = look_up(way.host, way.port, self._seconds * _NETWORK)
        yield from judge_name(way, look)
        alive = [address for address in look.addresses if address.error is None]
        self.is_reached = bool(alive)
        if not alive:
            return
        if self._url.scheme == "https" and way.proxy is None:
            context = self._settings["ssl_context"] or system_context() or ssl.create_default_context()
            tls = shake_hands(way.host, (alive[0].address, way.port), context, self._seconds * _NETWORK)
            now = datetime.now(timezone.utc)
            yield judge_tls(tls, is_checked=not self._options.insecure, authorities=self._authorities(), now=now)
            if tls.error is not None:
                return
        yield from self._examine_stream(min(address.seconds for address in alive), is_tunnelled=way.proxy is not None)

    def _examine_stream(self, connected_in: float, *, is_tunnelled: bool) -> Iterator[Verdict]:
        first = self._observe(_FIRST, self._shows_pace, last_event_id=self._options.last_event_id)
        yield from judge_redirect(first, str(self._url), self._header_names())
        if self._url.scheme == "https" and is_tunnelled and first.head is not None:
            yield judge_tunnel(is_checked=not self._options.insecure, authorities=self._authorities())
        yield judge_answer(first, connected_in=connected_in)
        yield from judge_way_back(first)
        if first.head is None or first.head.status == 204:
            return
        yield from judge_head(first, connected_in=connected_in)
        yield judge_delivery(first)
        yield from judge_bytes(first)
        later = []
        if self._is_get:
            yield judge_silence(first)
            yield from judge_ids(first.content)
            yield from judge_retry(first.content)
            if self._may_ask(first):
                later.append(second := self._go_on(first))
                if first.content.fields["id"]:
                    yield judge_going_on(first.content.events, place_to_go_on(first.content.events), second)
            yield from judge_end(first, later)
            if self._may_ask(first) and not first.head.headers.get("content-encoding") and not self._names_coding():
                self._connector = self._asking_for_gzip()
                yield from judge_compressed(first, self._observe(_COMPRESSED, self._shows_pace))

    def _go_on(self, first: Observation) -> Observation:
        events = first.content.events
        last_event_id = events[place_to_go_on(events)].last_event_id if events else ""
        # Of events the first that comes is enough. A stream that was cut may be cut again.
        is_cut = first.is_ended and first.error is not None
        parser = EventStreamParser()
        return self._observe(
            _GOING_ON,
            lambda chunks: bool(events) and bool(parser.feed(chunks[-1][1])) and not is_cut,
            last_event_id=last_event_id,
            at_least=first.ended_at + _MORE if is_cut else 0.0,
        )

    def _observe(
        self,
        part: float,
        is_enough: Callable[[list[tuple[float, bytes]]], bool],
        *,
        last_event_id: str = "",
        at_least: float = 0.0,
    ) -> Observation:
        left = self._started + self._seconds - time.monotonic()
        seconds = max(min(max(part * self._seconds, at_least), left), 0.1)
        observation = observe(self._connector, seconds=seconds, last_event_id=last_event_id, is_enough=is_enough)
        self.requests += observation.requests
        return observation

    def _may_ask(self, first: Observation) -> bool:
        left = self._started + self._seconds - time.monotonic()
        return self.requests + first.requests <= MAX_REQUESTS and left > 0.05 * self._seconds

    def _shows_pace(self, chunks: list[tuple[float, bytes]]) -> bool:
        # A fast stream shows its pace soon; one that brings some events now and then needs the whole time.
        return len(chunks) >= _MANY and chunks[-1][0] - chunks[0][0] > 0.1 * self._seconds

    def _asking_for_gzip(self) -> Any:
        headers = {**self._settings["headers"], "Accept-Encoding": "gzip"}
        return EventSource(self._options.url, **{**self._settings, "headers": headers}).connector

    def _names_coding(self) -> bool:
        return any(name.lower() == "accept-encoding" for name in self._settings["headers"])

    def _header_names(self) -> list[str]:
        names = list(self._settings["headers"])
        if self._url.authorization and not any(name.lower() == "authorization" for name in names):
            names.append("Authorization")
        return names

    def _authorities(self) -> str:
        if self._options.cacert is not None:
            return f"the authorities in {self._options.cacert}"
        named = self._environ.get("SSL_CERT_FILE") or self._environ.get("SSL_CERT_DIR")
        return f"the authorities in {named}" if named else "the system's authorities"


def examine(doctor: Doctor, options: argparse.Namespace, out: Terminal) -> int:
    """Examine, and report to ``out``. Blocks.

    Returns:
        The exit code: 0 if there is nothing to warn of, 1 if there is, 2 if nothing could be reached.
    """
    report: Report = (JsonReport if options.output == "json" else TextReport)(out, str(Url.parse(options.url)))
    report.begin(MAX_REQUESTS, options.max_time or DEFAULT_SECONDS)
    for verdict in doctor.verdicts():
        report.add(verdict)
    report.end(doctor.requests)
    return int(not report.is_good) if doctor.is_reached else 2
