"""urllib3 as a `Transport`: which pool a request goes through, sending it, and reading what comes back."""

from __future__ import annotations

import ssl
from typing import Any, Optional

import urllib3
from urllib3 import PoolManager as PoolManager  # noqa: PLC0414 - exported, for the annotations of others

from sse_client._arguments import AS_IDLE_TIMEOUT, check_timeout
from sse_client.connector import Connection, Connector
from sse_client.errors import ConnectionLost, EventSourceError

from .attempt import HttpConnection, Response, Transport
from .coding import CODINGS, Decoder
from .failures import (
    FOREIGN_ERRORS,
    Circumstances,
    Timeouts,
    interrupted,
    is_of_a_file,
    is_stale,
    lone_cause,
    reading_failed,
    request_failed,
    root_cause,
    sanitized_cause,
)
from .headers import response_headers
from .interrupt import Deadline, Interrupted, Interrupter, Limit
from .message import Request, RequestOptions
from .pools import Pools
from .proxies import check_proxy
from .watched import Watch, stream_of, view_of_manager

READ_SIZE = 64 * 1024
CONTENT_DECODERS = urllib3.HTTPResponse.CONTENT_DECODERS

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, section 9.2.1
MAX_STALE = 10  # kept connections that are found closed by the server, in a row


class Urllib3Response(Response):
    """A urllib3 response, whichever library sent the request.

    Args:
        raw: What urllib3 returned.
        url: Where it came from, in the form for showing.
        limit: How long the wait for each piece of the body may take.
        detour: See `Response`.
    """

    def __init__(self, raw: Any, *, url: str, limit: Limit, detour: str) -> None:
        self.status = raw.status
        self.headers = response_headers(raw.headers.items())
        self.detour = detour
        self._raw = raw
        self._url = url
        self._limit = limit
        self._stream = stream = stream_of(raw)
        self._has_length = stream is not None and stream.length is not None
        self._decoder: Optional[Decoder] = None
        self._receive: Any = self._read_decoded
        if stream is not None:
            stream.file.limit_waits(limit)
            coding = self.headers.get("content-encoding", "").strip().lower()
            self._read_stream = stream.next_piece()
            if getattr(raw.read1, "__func__", None) is not urllib3.HTTPResponse.read1:
                pass  # the application has replaced read1(): its own is called
            elif coding in CODINGS:
                self._decoder = Decoder(coding)
                self._receive = self._decode
            elif coding not in CONTENT_DECODERS:
                self._receive = self._read_stream

    def read(self) -> bytes:
        """See `Connection.read`."""
        try:
            data: bytes = self._receive()
        except Interrupted:
            raise ConnectionLost("the connection was interrupted", url=self._url) from None
        except FOREIGN_ERRORS as error:
            raise reading_failed(error, self._url, self._limit) from lone_cause(error)
        if not data or self._has_length:
            self._finish()
        return data

    def is_ready(self) -> bool:
        """See `Connection.is_ready`."""
        if self._stream is None or (self._decoder is not None and self._decoder.has_more):
            return True
        return self._stream.isclosed() or self._stream.file.is_ready()

    def _read_decoded(self) -> bytes:
        # For the other codings, and for responses over a connection that has no view.
        data: bytes = self._raw.read1(READ_SIZE, decode_content=True)
        return data

    def _decode(self) -> bytes:
        assert self._decoder is not None
        while True:
            received = b""
            if not self._decoder.has_more:
                received = self._read_stream()
                if not received:
                    return b""
            data = self._decoder.decode(received)
            if data:
                return data

    def _finish(self) -> None:
        stream = self._stream
        if stream is None or not stream.isclosed():
            return  # urllib3 has released it, or the body goes on
        if not stream.is_whole and self._raw.connection is not None:
            self._raw.connection.close()  # what is left in it is no response
        self._raw.release_conn()

    def _limit_reading(self, deadline: Deadline) -> None:
        if self._stream is not None:
            self._stream.file.deadline = deadline

    def discard(self) -> None:
        """See `Response.discard`. The connection of a body that was read to its end is in its pool already."""
        self._raw.close()
        self._raw.release_conn()  # though it is closed: a blocking pool counts its connections


class Urllib3Transport(Transport):
    """The transport of one attempt over urllib3's pools.

    Args:
        pools: Where the connections come from, and what is kept between attempts.
        timeouts: How long to wait.
    """

    def __init__(self, pools: Pools, timeouts: Timeouts) -> None:
        self._pools = pools
        self._timeouts = timeouts
        self.codings = CONTENT_DECODERS
        self._interrupter = Interrupter()
        self._watch = Watch(self._interrupter, timeouts.head)
        self._raw: Any = None
        """The last response."""

    def send(self, request: Request) -> Response:
        """See `Transport.send`.

        A request can end in these ways:

        - a response: returned, whatever its status;
        - a kept connection turns out to be closed by the server: a safe request is sent
          again at once, over the next one (RFC 9112, section 9.3.1);
        - an interrupt: `ConnectionFailed`;
        - a file of certificates cannot be loaded: raised as it is, and not retried;
        - anything else: what `failures.request_failed` makes of it.
        """
        shown = str(request.url)
        proxy = self._pools.proxy_for(request.url)
        manager = self._pools.manager_for(proxy)
        self._watch.pool_settings = {} if request.is_trusted else self._pools.settings_without_certificate(manager)
        view = view_of_manager(manager, self._watch)
        headers = request.headers()
        cookie = self._pools.cookies.header(request.url)
        if cookie and "Cookie" not in headers:
            headers |= {"Cookie": cookie}
        when = Circumstances(shown, self._timeouts, proxy, self._pools.authorities)
        stale = 0
        while True:
            try:
                self._raw = raw = view.urlopen(
                    request.method,
                    request.url.address,
                    body=request.body,
                    headers=dict(headers),
                    pool_timeout=self._timeouts.connect.seconds,
                    timeout=urllib3.Timeout(connect=self._timeouts.connect.seconds, read=self._timeouts.head.seconds),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
                break
            except Interrupted:
                raise interrupted(shown) from None
            except Exception as error:
                if is_of_a_file(root_cause(error)):
                    raise OSError(f"a certificate file of the pool cannot be loaded: {root_cause(error)}") from None
                if not isinstance(error, FOREIGN_ERRORS):
                    raise
                stale += 1
                is_repeatable = request.method in SAFE_METHODS and not self._watch.is_new and stale <= MAX_STALE
                if not is_repeatable or not is_stale(error):
                    raise self._failure(error, when) from sanitized_cause(error)
        self._pools.cookies.store(request.url, raw.headers.items())
        return Urllib3Response(raw, url=shown, limit=self._timeouts.body, detour=when.detour)

    def _failure(self, error: Exception, when: Circumstances) -> EventSourceError:
        return interrupted(when.url) if self._interrupter.interrupted else request_failed(error, when)

    def interrupt(self) -> None:
        """See `Connection.interrupt`."""
        self._interrupter.interrupt()

    def release(self) -> None:
        """See `Transport.release`."""
        if self._raw is not None:
            self._raw.close()
            self._raw.release_conn()
        self._interrupter.release()


class Urllib3Connector(Connector):
    """Connections over urllib3. An `EventSource` makes one from a URL by itself.

    Args:
        options: What to ask for.
        timeouts: How long to wait.
        pools: Where the connections come from.
    """

    def __init__(self, options: RequestOptions, timeouts: Timeouts, pools: Pools) -> None:
        self.is_repeatable = options.is_repeatable
        self.url = options.shown_url
        self._options = options
        self._timeouts = timeouts
        self._pools = pools

    def connection(self) -> Connection:
        """See `Connector.connection`."""
        return HttpConnection(self._options, Urllib3Transport(self._pools, self._timeouts))

    def close(self) -> None:
        """See `Connector.close`."""
        self._pools.close()


def make_timeouts(connect_timeout: Any, response_timeout: Any, idle_timeout: Any) -> Timeouts:
    """Return the time-outs for the arguments of these names.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """
    body = Limit(check_timeout("idle_timeout", idle_timeout), "idle_timeout")
    head = body
    if response_timeout is not AS_IDLE_TIMEOUT:
        head = Limit(check_timeout("response_timeout", response_timeout), "response_timeout")
    return Timeouts(Limit(check_timeout("connect_timeout", connect_timeout), "connect_timeout"), head, body)


def make_connector(
    options: RequestOptions,
    timeouts: Timeouts,
    *,
    proxy: Optional[str],
    trust_env: bool,
    ssl_context: Optional[ssl.SSLContext],
    pool: Optional[PoolManager],
) -> Connector:
    """Return the connector for the arguments of an `EventSource`.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
        ImportError: The proxy speaks SOCKS, and the package for that is not installed; or another package
            has taken the place of urllib3.
    """
    if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext or None, not {type(ssl_context).__name__}")
    if pool is not None:
        if not isinstance(pool, PoolManager):
            raise TypeError(f"pool must be a urllib3.PoolManager or None, not {type(pool).__name__}")
        if proxy is not None or ssl_context is not None:
            raise TypeError("proxy and ssl_context cannot be given along with a pool, which has its own")
    pools = Pools(proxy=check_proxy(proxy), trust_env=trust_env, ssl_context=ssl_context, pool=pool)
    return Urllib3Connector(options, timeouts, pools)
