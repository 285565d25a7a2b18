"""The peers' parsers and clients behind one shape each, so that they can be called in turns.

A parser is a function of chunks, a client is a function of a URL and a number of events;
both yield the peers' own event objects, made as the peer makes them. A peer that is not
installed, or whose insides have moved, is left out with the reason in `MISSING`.

Rules of this file: all that is known of the peers is here.
"""

from __future__ import annotations

import codecs
import importlib
import logging
from collections.abc import Iterable, Iterator
from typing import Any, Callable

__all__ = ["CLIENTS", "MISSING", "PARSERS", "idle_launchdarkly", "plain"]

Parser = Callable[[Iterable[bytes]], Iterator[Any]]
Client = Callable[[str], Iterator[Any]]

PARSERS: dict[str, Parser] = {}
CLIENTS: dict[str, Client] = {}
MISSING: dict[str, str] = {}

logging.getLogger("ld_eventsource").setLevel(logging.CRITICAL)


def plain(event: Any) -> tuple[str, str]:
    """Type and data of anybody's event."""
    type_ = getattr(event, "event", None) or getattr(event, "type", None) or "message"
    return type_, event.data


def _peer(name: str) -> Callable[[Callable[[], None]], None]:
    def register(setup: Callable[[], None]) -> None:
        try:
            setup()
        except (ImportError, AttributeError) as error:
            MISSING[name] = f"{type(error).__name__}: {error}"

    return register


@_peer("launchdarkly-eventsource")
def _launchdarkly() -> None:
    package = importlib.import_module("ld_eventsource")
    reader = importlib.import_module("ld_eventsource.reader")
    event_class = importlib.import_module("ld_eventsource.actions").Event
    lines_from, make_reader = reader._BufferedLineReader.lines_from, reader._SSEReader
    is_property = isinstance(make_reader.events_and_comments, property)  # before 1.6

    def parse(chunks: Iterable[bytes]) -> Iterator[Any]:
        actions = make_reader(lines_from(chunks)).events_and_comments
        for action in actions if is_property else actions():
            if type(action) is event_class:
                yield action

    def client(url: str) -> Iterator[Any]:
        with package.SSEClient(url) as source:
            yield from source.events

    PARSERS["launchdarkly-eventsource"] = parse
    CLIENTS["launchdarkly-eventsource"] = client


@_peer("httpx-sse")
def _httpx_sse() -> None:
    httpx = importlib.import_module("httpx")
    package = importlib.import_module("httpx_sse")
    decoders = importlib.import_module("httpx_sse._decoders")
    make_line_decoder, make_decoder = decoders.SSELineDecoder, decoders.SSEDecoder

    def parse(chunks: Iterable[bytes]) -> Iterator[Any]:
        line_decoder, decoder = make_line_decoder(), make_decoder()
        text_decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for chunk in chunks:
            for line in line_decoder.decode(text_decoder.decode(chunk)):
                event = decoder.decode(line)
                if event is not None:
                    yield event

    def client(url: str) -> Iterator[Any]:
        with httpx.Client(timeout=30) as http, package.connect_sse(http, "GET", url) as source:
            yield from source.iter_sse()

    PARSERS["httpx-sse"] = parse
    CLIENTS["httpx-sse"] = client


@_peer("sseclient-py")
def _sseclient_py() -> None:
    requests = importlib.import_module("requests")
    make_client = importlib.import_module("sseclient").SSEClient

    def parse(chunks: Iterable[bytes]) -> Iterator[Any]:
        yield from make_client(chunks).events()

    def client(url: str) -> Iterator[Any]:
        with requests.get(url, stream=True, timeout=30, headers={"Accept": "text/event-stream"}) as response:
            yield from make_client(response).events()

    PARSERS["sseclient-py"] = parse
    CLIENTS["sseclient-py"] = client


@_peer("requests-sse")
def _requests_sse() -> None:
    requests = importlib.import_module("requests")
    make_source = importlib.import_module("requests_sse").EventSource

    class Chunks:
        """What a response of requests reads from: the chunks, then an error that no one catches."""

        def __init__(self, chunks: Iterable[bytes]) -> None:
            self._chunks = chunks

        def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
            yield from self._chunks
            raise EOFError

    class Session:
        """A session of requests without a network."""

        def __init__(self, chunks: Iterable[bytes]) -> None:
            self._chunks = chunks

        def request(self, **_: Any) -> Any:
            response = requests.Response()
            response.raw = Chunks(self._chunks)
            response.status_code = 200
            response.url = "http://localhost/"
            response.headers["Content-Type"] = "text/event-stream"
            return response

    def parse(chunks: Iterable[bytes]) -> Iterator[Any]:
        source = make_source("http://localhost/", session=Session(chunks))
        source.connect()
        try:
            yield from source
        except EOFError:
            pass

    def client(url: str) -> Iterator[Any]:
        with make_source(url, timeout=30) as source:
            yield from source

    PARSERS["requests-sse"] = parse
    CLIENTS["requests-sse"] = client


def idle_launchdarkly(url: str) -> Any:
    """Return a client of launchdarkly-eventsource that has connected and had one event."""
    source = importlib.import_module("ld_eventsource").SSEClient(url)
    next(iter(source.events))
    return source
