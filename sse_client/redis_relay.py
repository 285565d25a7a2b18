"""`RedisRelay`: one event stream for many machines, each event exactly once in a Redis Stream.

Example::

    relay = RedisRelay(redis.Redis(), "builds", lease=10.0, max_length=100_000)     # on every machine
    relay.run(lambda last_event_id: EventSource(url, last_event_id=last_event_id))  # blocks; one of them follows

    for _, entries in client.xreadgroup("workers", name, {"builds": ">"}, block=2000):  # a worker: plain redis-py
        for entry_id, fields in entries:
            event = decode(fields)                                                      # the MessageEvent

When you need it
    A program has outgrown one machine. If each of its workers opened the stream, the server would
    send everything to each of them, and count them all against its rate limit. If one of them
    opened it, that one would be a single point of failure. With one process, an `EventSource` or a
    `Listener` is enough; with one machine that may crash, so is a `PositionFile`.

How it works
    ::

        server ──SSE──► relay, leads ──────────┐                       ┌──► worker
                        relay, stands by ··lease··► Redis ──group──────┼──► worker
                        relay, stands by ······┘    builds             └──► worker
                                                    {builds}:relay

    The relays compete for a lease, which is kept in Redis and measured by Redis's clock alone. The
    one that has it leads: it follows the stream, and one Lua script appends what has arrived,
    moves the position (the last event ID) and renews the lease, all or nothing. The script first
    compares the leader's fencing token, which is new each time that a relay takes the lease.

    - A single event goes at once. Events that arrive while Redis works on others go together, at
      most 1,000 in one round trip.
    - The leader dies: its lease runs out, and a relay that stands by goes on from the position. It
      waits for exactly as long as Redis says that the lease lasts. `RedisRelay.stop` ends the
      lease, and another relay leads within a quarter of its time.
    - The leader was halted or cut off for longer than its lease. If another has led since, the
      script refuses it: it appends nothing and stands by. If not, it goes on where it was.
    - The reply of Redis is lost: the batch is sent again. Batches are numbered, and the script
      appends each number once.
    - Redis is away, full or failing over: the relay stops reading, TCP stops the server, and the
      batch is sent again with the delays of the policy. At most 2,000 events wait meanwhile.
    - Redis comes back without its last writes: the numbers do not fit. The relay drops what it
      has, and follows the stream anew from the position that Redis has.

What is promised
    Each event is in the stream exactly once and in order, whatever is killed, halted or cut off, in
    any order: relays, Redis, the server. Three things are asked for this:

    - The server honours Last-Event-ID, and gives every event an ID. Where it gives none, an event
      that was received is appended once, and `RedisRelay.stop` appends all that has been received;
      but what the server sends between two leaders is lost, as it is between two connections of an
      `EventSource`. Where only some events have IDs, those after the last ID may come twice.
    - Redis keeps what it confirms: ``appendonly yes``, and ``maxmemory-policy noeviction``. With
      ``appendfsync everysec``, or when a replica takes over, Redis may lose its last writes. The
      stream still ends up with each event once; a worker that has read an entry before it was lost
      reads its event again under another entry ID. ``appendfsync always`` and, with replicas,
      ``min-replicas-to-write`` make that rare.
    - A worker acknowledges (XACK) an entry together with its result, in one MULTI, or can handle an
      entry twice: Redis delivers to a group at least once. ``tests/examples/redis_worker.py`` does it.

    An ID without an event moves the position when anything else has been read after it, such as
    the next comment, or when the connection or the relay ends. ``max_length`` deletes old entries
    even if no worker has read them: choose it for the longest time that workers may be away.

Limits
    One relay follows a stream, in one process: some 40,000 small events/s on a machine with two
    cores, Redis and server included. That is 0.6 to 0.8 times what a bare loop of pipelined XADDs takes
    that has its events in memory (``python -m tests.benchmarks relay`` measures both in turns). An
    event alone is in the hands of a worker as soon as by a loop with one XADD, some 1 ms.

    A stream that has more must be cut by its server, by path or query, into several that are relayed
    each for itself. Their order among each other is then lost, as between the partitions of any log.

    The relay's thread calls Redis; a second one reads the stream, and the caller's waits. Redis
    keeps one connection for each relay, whether it leads or not. Its user needs the commands
    EVALSHA, SCRIPT LOAD, TIME, HMGET, HGET, HSET, HDEL, XADD and XTRIM, on both keys.

A thousand streams
    Make one relay for each stream on every machine, each with its thread. The leases spread by
    themselves if machines start together, and ``capacity`` spreads them in any case: a semaphore
    that all relays of a process share, with as many units as it may lead streams::

        capacity = threading.Semaphore(500)                     # of 1000 streams, on 3 machines
        relays = [RedisRelay(client, name, capacity=capacity) for name in names]

    Choose it so that the machines which are left can lead all: at least the number of streams
    divided by one machine less than there are. When a machine dies, the others take over its
    streams within the lease. When it comes back, it stands by until one of them stops.

    A relay that stands by is two threads that wait, and one call to Redis every quarter of the
    lease. With a thousand streams, three machines and a lease of 10 s, Redis answers some 1,100
    calls a second for leases, and ``maxclients`` must be above 3,000. Every event costs what it
    costs on one stream: the machines together relay as much as Redis takes. Where one Redis is too
    small, a Redis Cluster spreads the streams by their names.

Other brokers
    They have no script that moves a position and appends in one step, so that a crash repeats the
    last events: ``sse-client --json URL | kcat -P -b BROKER -t TOPIC`` for Kafka, and
    ``| nats pub`` for NATS.

To begin anew, stop the relays and delete both keys. To see who leads: ``HGETALL {builds}:relay``.
"""

from __future__ import annotations

import os
import queue
import random
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Callable, Optional, TypeVar, Union

from ._arguments import check_count, check_number
from ._logging import log as _log
from ._relay.lead import Lead
from ._relay.store import RedisRejected, RedisUnavailable, Store
from .errors import without_locals
from .events import ErrorEvent, MessageEvent
from .reconnect import ReconnectPolicy
from .source import EventSource

__all__ = ["RedisRejected", "RedisRelay", "RedisUnavailable", "decode"]


_RENEWALS = 3
"""How often a lease is renewed in its time."""
_LOOKS = 4
"""How often a relay that stands by looks, in the time of a lease, whether it was given up early."""
_PATIENCE = 1.0
"""Seconds that a call to Redis gets to end by itself when the relay stops."""
_PAUSE = 0.1
"""Seconds between two attempts to cut such a call short."""
_GLANCE = 1.0 if os.name == "nt" else None
"""Seconds between two looks for Ctrl-C, which cuts no wait for a lock short on Windows."""

_Result = TypeVar("_Result")


class _Stopped(Exception):
    """The relay is to stop: the way out of whatever its thread was waiting for."""


class RedisRelay:
    """Follows an event stream on one of many machines, and puts each event into a Redis Stream once.

    Make one for each stream on every machine. One of them leads: it follows the stream. The
    others stand by, and one of them goes on when the leader has died, was stopped or lost Redis.

    `stop` and `leading` may be used from any thread, any callback and any signal handler. The
    callbacks are called on a thread of the relay, one at a time, until `run` has returned. The
    lease is not renewed while one runs. An exception in one is logged, and stops nothing.

    Args:
        client: A ``redis.Redis`` or ``redis.RedisCluster``. The relay makes connections of its own
            with the client's settings, without redis-py's retries, and with a time-out of half
            the lease.
        name: The key of the stream. Beside it, the relay keeps a hash named ``{name}:relay``.
        lease: Seconds after which another relay takes over from one that has died. It is renewed
            three times as often.
        max_length: How many entries to keep, approximately: older ones are deleted, whether a
            worker has read them or not. None keeps all.
        capacity: A semaphore that relays of one process share, so that it leads no more streams
            at a time than that has units. None is no limit.
        reconnect: The policy of coming back to Redis. (That of the stream is the source's own.)
        on_lead: Called with the last event ID that the relay is about to follow the stream from.
        on_standby: Called when another relay leads: at the beginning, and when the lead is lost.
        on_error: Called with an `ErrorEvent` for each failure of Redis and of the stream. With a
            ``delay`` of None it is final, and `run` raises its error.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """

    def __init__(
        self,
        client: Any,
        name: str,
        *,
        lease: float = 10.0,
        max_length: Optional[int] = None,
        capacity: Optional[threading.Semaphore] = None,
        reconnect: Optional[ReconnectPolicy] = None,
        on_lead: Optional[Callable[[str], object]] = None,
        on_standby: Optional[Callable[[], object]] = None,
        on_error: Optional[Callable[[ErrorEvent], object]] = None,
    ) -> None:
        if reconnect is not None and not isinstance(reconnect, ReconnectPolicy):
            raise TypeError(f"reconnect must be a ReconnectPolicy or None, not {type(reconnect).__name__}")
        if capacity is not None and not isinstance(capacity, threading.Semaphore):
            raise TypeError(f"capacity must be a threading.Semaphore or None, not {type(capacity).__name__}")
        # Settings, never changed.
        self._name = name
        self._lease = check_number("lease", lease, least=0.1)
        self._policy = reconnect or ReconnectPolicy(reconnection_time=0.5, max_delay=5.0)
        self._capacity = capacity or threading.Semaphore(1)
        self._on_lead = on_lead
        self._on_standby = on_standby
        self._on_error = on_error
        self._store = Store(client, name, lease=self._lease, max_length=check_count("max_length", max_length))

        # Set by any thread and any signal handler: both steps are atomic and take no lock.
        self._stopped = False
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()

        # Of the thread that is in run().
        self._process = 0
        """Which process is in `run`; 0 for none."""

        # Written by the relay's thread. The lock makes sure that a source which is made while the
        # relay stops is closed.
        self._lock = threading.Lock()
        self._source: Optional[EventSource] = None
        self._halted = threading.Event()
        self._leading = False
        self._standing_by = False
        self._ended = False
        self._error: Optional[BaseException] = None

    @property
    def leading(self) -> bool:
        """Whether this relay follows the stream at present, as far as it knows."""
        return self._leading

    def run(self, follow: Callable[[str], EventSource]) -> None:
        """Relay until `stop` is called, or the stream ends for good. Blocks.

        It returns quietly after `stop`, and when the server has said that the stream is over
        (status 204). Either way, and when it raises, the lease is free for another relay at once.
        It may be called again then, except after `stop`.

        Args:
            follow: Makes the source, each time that this relay begins to lead: called with the
                last event ID to go on from, ``""`` at the very first.

        Raises:
            EventSourceError: The stream cannot go on; or Redis refuses (`RedisRejected`), or the
                attempts of the policy are used up (`RedisUnavailable`).
            TypeError, ValueError: ``follow`` returned no source, one that begins elsewhere, or one
                that keeps a position itself.
            RuntimeError: Another thread is in `run`, or the process that was has forked.
            Exception: Whatever ``follow`` raises.
        """
        # Without the lock, which the parent may have held when it forked.
        if self._process not in (0, os.getpid()):
            raise RuntimeError(
                f"this RedisRelay runs in process {self._process}, and os.fork() copies no threads: "
                "make another one in the child process"
            )
        with self._lock:
            if self._process:
                raise RuntimeError("this RedisRelay is running already")
            self._process = os.getpid()
        self._halted = threading.Event()
        self._ended = False
        self._error = None
        thread = threading.Thread(target=self._work, args=(follow,), name="sse-client-relay", daemon=True)
        try:
            if not self._stopped:
                thread.start()
            # This thread does nothing but wait, so that stop() and Ctrl-C are obeyed at once
            # whatever the relay's thread is blocked in.
            while not (self._ended or self._stopped):
                self._wait_until_woken()
        finally:
            self._halt(thread)
            self._process = 0
        error, self._error = without_locals(self._error), None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback has this frame: a cycle

    def stop(self) -> None:
        """End `run` for good, also one that has not begun yet. Returns at once; may be called more than once.

        What has been received by then is still appended, if Redis takes it at the first attempt.
        `run` returns within a tenth of a second while Redis answers. One that does not answer
        costs a second more, and one that is being connected to, up to half of the lease. The
        operating system's look-up of a host name cannot be cut short.
        """
        self._stopped = True
        self._woken.put(None)

    def __repr__(self) -> str:
        state = "leading" if self._leading else "standing by" if self._standing_by else "not running"
        return f"<RedisRelay {self._name!r} {state}>"

    def _wait_until_woken(self) -> None:
        try:
            self._woken.get(timeout=_GLANCE)
        except queue.Empty:
            pass

    def _halt(self, thread: threading.Thread) -> None:
        with self._lock:
            self._halted.set()
            source = self._source
        if source is not None:
            source.close()
        if thread.ident is None:  # stopped before it was started, or it could not be
            return
        thread.join(_PATIENCE)
        while thread.is_alive():
            self._store.disconnect()
            thread.join(_PAUSE)

    # The relay's thread -----------------------------------------------------------------

    def _work(self, follow: Callable[[str], EventSource]) -> None:
        wait: Optional[float] = 0.0
        try:
            while wait is not None and not self._halted.wait(wait):
                if not self._capacity.acquire(blocking=False):
                    self._stand_by()
                    wait = self._lease / _LOOKS
                    continue
                try:
                    wait = self._take_turn(follow)
                finally:
                    self._capacity.release()
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised by run()
            self._error = error
        finally:
            self._standing_by = False
            self._store.close()
            self._ended = True
            self._woken.put(None)

    def _take_turn(self, follow: Callable[[str], EventSource]) -> Optional[float]:
        """Lead if the lease is free; return the seconds until the next try, or None if the stream is over."""
        token = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"
        began = time.monotonic()
        position, remaining = self._persist(lambda: self._store.acquire(token))
        if position is None:
            self._stand_by()
            return min(remaining, self._lease / _LOOKS)
        self._leading, self._standing_by = True, False
        _log.info("leading %r from %r", self._name, position)
        try:
            self._call(self._on_lead, position)
            source = follow(position)
            _check_source(source, position)
            is_over = self._lead(source, token, position, began)
        finally:
            self._leading = False
            self._release(token)
        if is_over:
            return None
        _log.info("lost the lead of %r", self._name)
        self._stand_by()
        return 0.0

    def _stand_by(self) -> None:
        if not self._standing_by:
            self._standing_by = True
            _log.info("standing by for %r", self._name)
            self._call(self._on_standby)

    def _lead(self, source: EventSource, token: str, position: str, began: float) -> bool:
        """Lead until the stream is over, and return True; or the lease is lost, and return False."""

        def commit(number: int, events: list[MessageEvent], position: str) -> bool:
            return self._persist(lambda: self._store.commit(token, number, events, position))

        def report(event: ErrorEvent) -> None:
            self._call(self._on_error, event)

        interval = self._lease / _RENEWALS
        lead = Lead(source, position, began=began, interval=interval, commit=commit, on_error=report)
        with self._lock:
            self._source = source
            if self._halted.is_set():
                source.close()
        try:
            return lead.run()
        finally:
            self._source = None

    def _release(self, token: str) -> None:
        try:
            self._store.release(token)
        except Exception as error:  # noqa: BLE001 - the lease runs out by itself
            _log.debug("the lease of %r was not released: %s", self._name, error)

    def _persist(self, action: Callable[[], _Result]) -> _Result:
        """Ask something of Redis until it answers.

        Raises:
            RedisUnavailable, RedisRejected: The policy says that it is final.
            _Stopped: It has not answered, and the relay is to stop.
        """
        attempt = 0
        while True:
            try:
                return action()
            except (RedisUnavailable, RedisRejected) as failure:
                error = failure
            except Exception:
                # redis-py raises anything at all when disconnect() takes the connection away.
                if self._halted.is_set():
                    raise _Stopped from None
                raise
            if self._halted.is_set():
                raise _Stopped
            attempt += 1
            sample = random.random()  # noqa: S311 - spreads delays, keeps no secret
            delay = self._policy.delay(error, attempt, reconnection_time=None, sample=sample)
            if delay is None:
                self._call(self._on_error, ErrorEvent(error, None, attempt))
                raise error
            _log.warning("%s; again in %.1f s", error, delay)
            self._call(self._on_error, ErrorEvent(error, delay, attempt))
            if self._halted.wait(delay):
                raise _Stopped

    def _call(self, callback: Optional[Callable[..., object]], *arguments: object) -> None:
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception as error:  # noqa: BLE001 - reported, whatever it is
            _log.error("a callback of the relay of %r failed", self._name, exc_info=error)


def decode(fields: Mapping[Any, Any]) -> MessageEvent:
    """Return the event that the fields of an entry hold, as redis-py returns them, decoded or not.

    Raises:
        ValueError: They are not those of an entry that a relay has made.
    """
    texts = {_text(name): _text(value) for name, value in fields.items()}
    try:
        return MessageEvent(texts["type"], texts["data"], texts["id"], texts["origin"])
    except KeyError as error:
        raise ValueError(f"not an entry of a RedisRelay: it has no field {error}") from None


def _text(value: Union[str, bytes]) -> str:
    return value if isinstance(value, str) else value.decode()


def _check_source(source: EventSource, position: str) -> None:
    if not isinstance(source, EventSource):
        raise TypeError(f"follow must return an EventSource, not {type(source).__name__}")
    if source.last_event_id != position:
        source.close()
        raise ValueError(
            "follow must return a source that begins where it is told to: "
            "lambda last_event_id: EventSource(url, last_event_id=last_event_id)"
        )
    if source.progress is not None:
        source.close()
        raise ValueError("follow must return a source without a position: a relay keeps it in Redis")
