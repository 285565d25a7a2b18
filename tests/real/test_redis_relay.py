"""A stream that is relayed into a real Redis: exactly once, by one of several relays, whatever fails."""

from __future__ import annotations

import gc
import importlib
import itertools
import logging
import re
import signal
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
import trustme

from sse_client import (
    Connection,
    ConnectionFailed,
    Connector,
    ErrorEvent,
    EventSource,
    EventSourceError,
    MessageEvent,
    PositionFile,
    ReconnectPolicy,
    ResponseHead,
    ResponseRejected,
)
from sse_client.testing import EventStreamServer, Exchange, comment, drop, event, hold, pause, raw
from tests.integration.support import TIMEOUT, child, numbered

from .redis_server import PATIENCE, SOON, RedisServer, Running, redis_py, redis_server, wait_for_line, wait_until
from .software import free_port, needs, running

redis = redis_py()
relays = importlib.import_module("sse_client.redis_relay")
stores = importlib.import_module("sse_client._relay.store")
RedisRelay, decode, RedisUnavailable, RedisRejected = (
    relays.RedisRelay,
    relays.decode,
    relays.RedisUnavailable,
    relays.RedisRejected,
)
LEASE = 1.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Redis."""
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def client(database: RedisServer) -> Iterator[Any]:
    """A client of it."""
    with database.client() as client:
        yield client


def following(url: str) -> Callable[[str], EventSource]:
    """What users pass to `run`."""
    return lambda last_event_id: EventSource(url, last_event_id=last_event_id, reconnect=SOON)


def stored(client: Any) -> list[MessageEvent]:
    """The events in the stream."""
    return [decode(fields) for _, fields in client.xrange("builds")]


def data_in(client: Any) -> list[str]:
    """The data of the events in the stream."""
    return [stored_event.data for stored_event in stored(client)]


def state(client: Any) -> dict[str, str]:
    """What the relays keep beside the stream."""
    return {name.decode(): value.decode() for name, value in client.hgetall("{builds}:relay").items()}


def next_number(exchange: Exchange) -> int:
    """The number of the event that the client needs next."""
    return int(exchange.request.headers.get("Last-Event-ID", "0")) + 1


def now(client: Any) -> int:
    """Redis's clock, in milliseconds."""
    seconds, microseconds = client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def wait_for_length(client: Any, length: int) -> None:
    wait_until(lambda: client.xlen("builds") >= length, f"a stream of {length} entries")


# What arrives ---------------------------------------------------------------------------------


def test_every_event_arrives_as_it_was(client: Any, server: EventStreamServer) -> None:
    """What a worker decodes equals what an EventSource yields: type, data, ID and origin."""
    events = [
        event("one", id="1"),
        event("two\nlines", type="greeting", id="é✓"),
        event("\0 𝄞 \u2028"),
        event("", id="4"),
        event("x" * 3_000_000, id="5"),
    ]
    server.stream(*events, hold())
    with Running(RedisRelay(client, "builds"), following(server.url)):
        wait_for_length(client, 5)
    server.stream(*events)
    assert stored(client) == list(EventSource(server.url, reconnect=None))
    assert state(client)["position"] == "5"


def test_workers_may_have_their_replies_decoded(database: RedisServer, client: Any, server: EventStreamServer) -> None:
    """`decode` takes str and bytes; a client with decode_responses can also be the relay's."""
    server.stream(event("✓", id="1"))
    with database.client(decode_responses=True) as decoding:
        with Running(RedisRelay(decoding, "builds"), following(server.url)) as relay:
            relay.join()
        ((_, fields),) = decoding.xrange("builds")
        assert decode(fields) == stored(client)[0]
    with pytest.raises(ValueError, match="it has no field 'type'"):
        decode({b"data": b"x"})


def test_a_single_event_goes_at_once_and_a_crowd_together(client: Any, server: EventStreamServer) -> None:
    """Each event alone is there before the next is sent; 5,000 that arrive together take a few round trips."""
    steps = [threading.Event() for _ in range(3)]

    def serve(exchange: Exchange) -> None:
        exchange.send_head()
        for number, step in enumerate(steps, 1):
            exchange.run(event(str(number), id=str(number)))
            exchange.wait_for(step)
        exchange.run(*numbered(5000, first=4))

    server.reply(serve)
    with Running(RedisRelay(client, "builds", lease=60.0), following(server.url)) as relay:
        for number, step in enumerate(steps, 1):
            wait_for_length(client, number)
            step.set()
        relay.join()
    assert data_in(client) == [str(number) for number in range(1, 5004)]
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] < 500


def test_old_entries_are_trimmed(client: Any, server: EventStreamServer) -> None:
    """With max_length, the stream stays near that length."""
    server.serve_log(5000)
    with Running(RedisRelay(client, "builds", max_length=1000), following(server.url)) as relay:
        relay.join()
    assert 1000 <= client.xlen("builds") < 1500
    assert data_in(client)[-1] == "5000"


def test_an_id_without_an_event_moves_the_position(client: Any, server: EventStreamServer) -> None:
    """The position follows IDs that come without an event, at the next comment, loss or end."""
    heartbeat = [comment("still here"), pause(0.05)] * 20
    server.stream(event("a", id="1"), raw(b"id: 2\n\n"), *heartbeat, hold())
    with Running(RedisRelay(client, "builds", lease=60.0), following(server.url)):
        wait_until(lambda: state(client).get("position") == "2")
    server.stream(raw(b"id: 3\n\n"), drop())
    server.stream(raw(b"id: 4\n\n"), hold())
    with Running(RedisRelay(client, "builds", lease=60.0), following(server.url)) as relay:
        wait_until(lambda: state(client).get("position") == "3")
        server.wait_for_requests(3)
        wait_until(lambda: relay.relay._source.last_event_id == "4")
    assert state(client)["position"] == "4"
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "2", "3"]


# Who leads ------------------------------------------------------------------------------------


def test_another_relay_goes_on_at_once_when_the_leader_stops(client: Any, server: EventStreamServer) -> None:
    """Relays that stand by open no stream; when the leader stops, one goes on from its position."""
    told: list[str] = []

    def relay(name: str) -> Any:
        return RedisRelay(
            client,
            "builds",
            lease=LEASE,
            on_lead=lambda position: told.append(f"{name} leads from {position!r}"),
            on_standby=lambda: told.append(f"{name} stands by"),
        )

    server.stream(*numbered(3), hold())
    server.stream(*numbered(2, first=4), hold())
    with Running(relay("a"), following(server.url)) as first:
        wait_for_length(client, 3)
        with Running(relay("b"), following(server.url)) as second:
            wait_until(lambda: "b stands by" in told)
            assert (first.relay.leading, second.relay.leading) == (True, False)
            assert "leading" in repr(first.relay)
            assert "standing by" in repr(second.relay)
            assert len(server.requests) == 1
            first.stop()
            wait_for_length(client, 5)
    assert told == ["a leads from ''", "b stands by", "b leads from '3'"]
    assert data_in(client) == ["1", "2", "3", "4", "5"]


RELAY = """
import redis, signal, sys
from sse_client import EventSource
from sse_client.redis_relay import RedisRelay

port, url, lease = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
relay = RedisRelay(
    redis.Redis(port=port),
    "builds",
    lease=lease,
    on_lead=lambda position: print("lead", position),
    on_standby=lambda: print("standby"),
    on_error=lambda event: print("error", event.error),
)
signal.signal(signal.SIGTERM, lambda number, frame: relay.stop())
try:
    relay.run(lambda last_event_id: EventSource(url, last_event_id=last_event_id))
except KeyboardInterrupt:
    print("interrupted")
print("stopped")
"""


def test_a_killed_leader_is_replaced_within_its_lease(
    database: RedisServer, client: Any, server: EventStreamServer
) -> None:
    """After kill -9 of the leader, another relay goes on before the lease and some has passed."""
    server.stream(*numbered(3), hold())
    server.stream(*numbered(2, first=4), hold())
    with Running(RedisRelay(client, "builds", lease=2.0), following(server.url)) as standby:
        wait_for_length(client, 3)
        with child(RELAY, str(database.port), server.url, "2.0") as process:
            wait_for_line(process, "standby")
            standby.stop()
            wait_for_line(process, "lead 3")
            wait_for_length(client, 5)
            server.serve_log(6)
            with Running(RedisRelay(client, "builds", lease=2.0), following(server.url)) as survivor:
                process.process.kill()
                killed = time.monotonic()
                wait_for_length(client, 6)
                assert time.monotonic() - killed < 2.0 + 1.0
                survivor.join()
    assert data_in(client) == ["1", "2", "3", "4", "5", "6"]


def test_a_halted_leader_appends_nothing_after_another_has_led(
    database: RedisServer, client: Any, server: EventStreamServer
) -> None:
    """A leader that gets no processor for longer than its lease appends nothing when it wakes, and stands by."""
    go_on = threading.Event()

    def serve(exchange: Exchange) -> None:
        exchange.run(*numbered(3))
        exchange.wait_for(go_on)
        exchange.run(*numbered(3, first=4), hold())

    server.reply(serve)
    server.stream(*numbered(3, first=4), hold())
    with child(RELAY, str(database.port), server.url, "0.5") as halted:
        wait_for_length(client, 3)
        halted.process.send_signal(signal.SIGSTOP)
        go_on.set()  # events arrive for a process that cannot take them
        with Running(RedisRelay(client, "builds", lease=LEASE), following(server.url)):
            wait_for_length(client, 6)
            halted.process.send_signal(signal.SIGCONT)
            wait_for_line(halted, "standby")
    assert data_in(client) == ["1", "2", "3", "4", "5", "6"]


def test_a_leader_whose_lease_ran_out_goes_on_if_nobody_has_led_since(
    database: RedisServer, client: Any, server: EventStreamServer
) -> None:
    """A late leader without a successor keeps its connection, and loses and repeats nothing."""
    go_on = threading.Event()

    def serve(exchange: Exchange) -> None:
        exchange.run(*numbered(3))
        exchange.wait_for(go_on)
        exchange.run(*numbered(3, first=4), hold())

    server.reply(serve)
    with child(RELAY, str(database.port), server.url, "0.3") as late:
        wait_for_length(client, 3)
        late.process.send_signal(signal.SIGSTOP)
        ends = int(state(client)["until"])
        wait_until(lambda: now(client) > ends)
        late.process.send_signal(signal.SIGCONT)
        go_on.set()
        wait_for_length(client, 6)
    assert data_in(client) == ["1", "2", "3", "4", "5", "6"]
    assert len(server.requests) == 1


def test_the_lead_can_be_lost_under_a_flood(client: Any, server: EventStreamServer) -> None:
    """A relay that loses its lease with more events at hand than may wait drops them all, and can lead again."""
    server.handler = lambda exchange: exchange.run(*numbered(5_000, first=next_number(exchange)))
    with Running(RedisRelay(client, "builds", lease=LEASE), following(server.url)) as running:
        for _ in range(3):
            wait_for_length(client, client.xlen("builds") + 1)
            another = {"leader": "another", "until": now(client) + 60_000}
            client.hset("{builds}:relay", mapping=another)
            length = client.xlen("builds")
            wait_until(lambda: "standing by" in repr(running.relay))
            assert client.xlen("builds") == length
            client.hdel("{builds}:relay", "leader")
    assert data_in(client) == [str(number) for number in range(1, client.xlen("builds") + 1)]


def test_relays_share_what_a_process_may_lead(client: Any, server: EventStreamServer) -> None:
    """With a semaphore of one unit, one of two relays leads, and the other when that has stopped."""
    server.handler = lambda exchange: exchange.run(event("x", id="1"), hold())
    capacity = threading.Semaphore(1)
    first = Running(RedisRelay(client, "a", lease=LEASE, capacity=capacity), following(server.url))
    second = Running(RedisRelay(client, "b", lease=LEASE, capacity=capacity), following(server.url))
    with first:
        wait_until(lambda: first.relay.leading)
        with second:
            wait_until(lambda: "standing by" in repr(second.relay))
            first.stop()
            wait_until(lambda: second.relay.leading)


def test_a_slow_follow_function_counts_as_part_of_the_lease(client: Any, server: EventStreamServer) -> None:
    """A relay whose source takes most of the lease to make renews the lease at once, and not when it is over."""
    server.handler = lambda exchange: exchange.run(hold())
    ends: list[int] = []

    def follow(last_event_id: str) -> EventSource:
        ends.append(int(state(client)["until"]))
        wait_until(lambda: now(client) + 1500 > ends[0])
        return EventSource(server.url, last_event_id=last_event_id)

    with Running(RedisRelay(client, "builds", lease=6.0), follow):
        wait_until(lambda: ends and int(state(client)["until"]) > ends[0])
        assert now(client) < ends[0]


# The store: each promise of the scripts -------------------------------------------------------


@pytest.fixture
def store(client: Any) -> Iterator[Any]:
    """The keys of a relay, without a relay."""
    store = stores.Store(client, "builds", lease=0.2, max_length=None)
    yield store
    store.close()


def test_only_the_holder_of_the_last_token_appends(client: Any, store: Any) -> None:
    """Once another token has the lease, the one before it changes nothing: no entry, no position, no lease."""
    assert store.acquire("a") == ("", 0.0)
    assert store.commit("a", 1, numbered(1), "1")
    position, remaining = store.acquire("b")
    assert position is None
    assert 0 < remaining <= 0.2
    position, _ = wait_until(lambda: (taken := store.acquire("b"))[0] is not None and taken)
    assert position == "1"
    assert store.commit("b", 1, numbered(1, first=2), "2")  # so that the number of the next batch fits both
    before = (data_in(client), state(client))
    assert not store.commit("a", 2, numbered(1, first=2), "2")
    store.release("a")
    assert (data_in(client), state(client)) == before


def test_a_repeated_batch_is_appended_once(client: Any, store: Any) -> None:
    """A batch that is sent again because its reply was lost is confirmed, and not appended a second time."""
    store.acquire("a")
    assert store.commit("a", 1, numbered(2), "2")
    assert store.commit("a", 1, numbered(2), "2")
    assert store.acquire("a") == ("2", 0.0)
    assert store.commit("a", 2, numbered(1, first=3), "3")
    assert not store.commit("a", 1, numbered(2), "2")
    assert data_in(client) == ["1", "2", "3"]


def test_a_batch_that_comes_after_the_release_is_refused(client: Any, store: Any) -> None:
    """Who has given its lease up appends nothing any more, also by a call that was delayed on its way."""
    store.acquire("a")
    assert store.commit("a", 1, numbered(2), "2")
    store.release("a")
    assert not store.commit("a", 2, numbered(1, first=3), "3")
    assert store.acquire("b") == ("2", 0.0)
    assert data_in(client) == ["1", "2"]


def test_a_redis_that_has_gone_back_is_noticed(client: Any, store: Any) -> None:
    """A batch that does not follow what Redis has is refused: confirmed batches have been lost there."""
    store.acquire("a")
    store.commit("a", 1, numbered(1), "1")
    before = client.dump("{builds}:relay")
    store.commit("a", 2, numbered(1, first=2), "2")
    client.restore("{builds}:relay", 0, before, replace=True)
    assert not store.commit("a", 3, numbered(1, first=3), "3")


@pytest.mark.parametrize(
    ("name", "key"),
    [("builds", "{builds}:relay"), ("{shop}:builds", "{shop}:builds:relay"), ("a{b}{c}", "a{b}{c}:relay")],
)
def test_the_keys_share_a_slot(name: str, key: str) -> None:
    """Both keys of a relay have the same hash tag."""
    slots = redis.cluster.key_slot
    assert stores.state_key(name) == key
    assert slots(name.encode()) == slots(key.encode())


@pytest.mark.parametrize("name", ["a{}b", "a}b", "{a", "{}"])
def test_a_name_that_no_other_key_can_share_a_slot_with_is_refused(name: str) -> None:
    """Braces that are no hash tag are refused."""
    with pytest.raises(ValueError, match="braces"):
        stores.state_key(name)


# Failures of Redis ----------------------------------------------------------------------------


def test_nothing_is_lost_when_redis_goes_back(client: Any, server: EventStreamServer) -> None:
    """When Redis comes back with an older state, the relay goes on from the position of that state."""
    go_on = threading.Event()

    def serve(exchange: Exchange) -> None:
        exchange.run(*numbered(5))
        exchange.wait_for(go_on)
        exchange.run(*numbered(5, first=6), hold())

    server.reply(serve)
    server.serve_log(10)
    with Running(RedisRelay(client, "builds", lease=60.0), following(server.url)) as relay:
        wait_until(lambda: state(client).get("position") == "5")
        with client.pipeline() as transaction:  # as if what came after event 3 had not reached the disk
            for entry_id, fields in client.xrange("builds")[3:]:
                assert int(fields[b"id"]) > 3
                transaction.xdel("builds", entry_id)
            transaction.hset("{builds}:relay", mapping={"position": "3", "batch": 0})
            transaction.hset("{builds}:relay", "batch", int(state(client)["batch"]) - 2)
            transaction.execute()
        go_on.set()
        relay.join()
    assert data_in(client) == [str(number) for number in range(1, 11)]


def test_the_server_waits_while_redis_is_away(database: RedisServer, client: Any, server: EventStreamServer) -> None:
    """Redis gone: the relay stops reading, comes back with growing delays, and drops nothing."""
    errors: list[ErrorEvent] = []
    sent: list[int] = []
    text = "x" * 100_000

    go_on = threading.Event()

    def serve(exchange: Exchange) -> None:
        first = int(exchange.request.headers.get("Last-Event-ID", 0)) + 1
        for number in range(first, 301):
            exchange.run(event(text, id=str(number)))
            sent.append(number)
            if number == 1:
                exchange.wait_for(go_on)
        exchange.run(hold())

    server.handler = serve
    relay = RedisRelay(client, "builds", lease=60.0, reconnect=SOON, on_error=errors.append)
    with Running(relay, following(server.url)):
        wait_for_length(client, 1)
        database.program.kill()
        go_on.set()
        wait_until(lambda: len(errors) >= 5)
        before = -1
        while before != len(sent):  # until the server is blocked
            before = len(sent)
            threading.Event().wait(0.3)
        assert len(sent) < 290  # of 30 MB
        database.program.start()
        wait_for_length(client, 300)
    assert [item.last_event_id for item in stored(client)] == [str(number) for number in range(1, 301)]
    assert all(isinstance(item.error, RedisUnavailable) for item in errors)
    assert all(isinstance(item.error.__cause__, redis.RedisError) for item in errors)
    assert [item.attempt for item in errors[:4]] == [1, 2, 3, 4]
    assert [item.delay for item in errors[:4]] == pytest.approx([0.02, 0.04, 0.08, 0.1])
    assert f"redis://localhost:{database.port}/0" in str(errors[0].error)


class LossyProxy:
    """Forwards to Redis, and breaks the connection in place of the reply to some calls."""

    def __init__(self, port: int, lose: Callable[[bytes], bool]) -> None:
        self._target = port
        self._lose = lose
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.lost = 0
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> LossyProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in [self._thread, *self._threads]:
            thread.join(TIMEOUT)

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connected,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connected: socket.socket) -> None:
        # Redis answers each request with something; one at a time is enough for a relay.
        with connected, socket.create_connection(("127.0.0.1", self._target)) as target:
            while request := connected.recv(1 << 20):
                target.sendall(request)
                reply = target.recv(1 << 20)
                if self._lose(request):
                    self.lost += 1
                    return
                connected.sendall(reply)


def test_lost_replies_make_nothing_twice(database: RedisServer, client: Any, server: EventStreamServer) -> None:
    """Every second commit is appended and its reply lost: each event is in the stream once, with IDs or without."""
    turn = itertools.count()
    go_on = threading.Event()

    def serve(exchange: Exchange) -> None:
        exchange.send_head()
        for number in range(100):
            exchange.run(event(str(number)))
            exchange.pause(0.002)
        exchange.wait_for(go_on)

    server.reply(serve)
    with LossyProxy(database.port, lambda request: b"EVALSHA" in request and next(turn) % 2 == 1) as proxy:
        relay = RedisRelay(redis.Redis(port=proxy.port), "builds", lease=60.0, reconnect=SOON)
        with Running(relay, following(server.url)) as running:
            wait_for_length(client, 100)
            go_on.set()
            running.join()
    assert proxy.lost >= 5
    assert data_in(client) == [str(number) for number in range(100)]


def test_a_full_redis_is_waited_for(client: Any, server: EventStreamServer) -> None:
    """Redis has no memory left: the relay waits until it has, and drops nothing."""
    errors: list[ErrorEvent] = []
    server.stream(*numbered(3), hold())
    client.config_set("maxmemory", "1")
    relay = RedisRelay(client, "builds", reconnect=SOON, on_error=errors.append)
    with Running(relay, following(server.url)):
        wait_until(lambda: errors)
        client.config_set("maxmemory", "0")
        wait_for_length(client, 3)
    assert all(isinstance(item.error, RedisUnavailable) and item.delay for item in errors)


@pytest.mark.parametrize("url", ["redis://:wr0ng@127.0.0.1:{}/0", "redis://somebody:wr0ng@127.0.0.1:{}/0"])
def test_a_wrong_password_is_final(client: Any, database: RedisServer, url: str, server: EventStreamServer) -> None:
    """A refused login is raised at once, says where, and does not say the password."""
    client.config_set("requirepass", "s3cret")
    errors: list[ErrorEvent] = []
    relay = RedisRelay(redis.Redis.from_url(url.format(database.port)), "builds", on_error=errors.append)
    with pytest.raises(RedisRejected, match=f"refused.*redis://127.0.0.1:{database.port}/0") as caught:
        relay.run(following(server.url))
    assert isinstance(caught.value.__cause__, redis.AuthenticationError)
    assert isinstance(caught.value, EventSourceError)
    assert "wr0ng" not in str(caught.value)
    assert [(item.error, item.delay) for item in errors] == [(caught.value, None)]
    assert server.requests == []


def test_a_login_and_a_permission(client: Any, database: RedisServer, server: EventStreamServer) -> None:
    """With the right password it works; a user that may not run scripts is refused for good."""
    client.acl_setuser("relay", enabled=True, passwords=["+s3cret"], keys=["*"], categories=["+@all"])
    client.acl_setuser("reader", enabled=True, passwords=["+s3cret"], keys=["*"], categories=["+@read"])
    server.serve_log(3)
    relay = RedisRelay(redis.Redis.from_url(f"redis://relay:s3cret@127.0.0.1:{database.port}/0"), "builds")
    relay.run(following(server.url))
    assert data_in(client) == ["1", "2", "3"]
    relay = RedisRelay(redis.Redis.from_url(f"redis://reader:s3cret@127.0.0.1:{database.port}/0"), "builds")
    with pytest.raises(RedisRejected, match="permission"):
        relay.run(following(server.url))


def test_a_key_that_is_something_else_is_final(client: Any, server: EventStreamServer) -> None:
    """A relay does not append to a key of another type, and says so; the lease is free again."""
    client.set("builds", "a string")
    server.stream(*numbered(3), hold())
    with pytest.raises(RedisRejected, match="WRONGTYPE"):
        RedisRelay(client, "builds").run(following(server.url))
    assert client.get("builds") == b"a string"
    assert "leader" not in state(client)


def test_an_error_names_the_address_without_secrets() -> None:
    """Where Redis is, as a URL: with the port, the database and TLS, and neither user nor password."""
    addresses = {
        "redis://me:s3cret@example.com:7000/2": "redis://example.com:7000/2",
        "rediss://me:s3cret@example.com": "rediss://example.com:6379/0",
        "redis://[::1]:7000": "redis://[::1]:7000/0",
        "unix://me:s3cret@/run/redis?db=3": "unix:///run/redis",
    }
    for url, shown in addresses.items():
        assert stores.address_of(redis.Redis.from_url(url)) == shown


def test_attempts_can_be_limited(server: EventStreamServer) -> None:
    """With max_attempts, the last error of Redis is raised."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    policy = ReconnectPolicy(reconnection_time=0.01, max_attempts=3)
    errors: list[ErrorEvent] = []
    relay = RedisRelay(redis.Redis(port=port), "builds", reconnect=policy, on_error=errors.append)
    with pytest.raises(RedisUnavailable) as caught:
        relay.run(following(server.url))
    assert isinstance(caught.value, ConnectionFailed)
    assert [item.attempt for item in errors] == [1, 2, 3]
    assert errors[-1].delay is None


# The end of the stream, and of the relay ------------------------------------------------------


def test_the_end_of_the_stream_ends_the_relay(client: Any, server: EventStreamServer) -> None:
    """A 204 ends `run` quietly, a refusal with the error; either way another relay can lead at once."""
    errors: list[ErrorEvent] = []
    server.stream(*numbered(2))
    relay = RedisRelay(client, "builds", lease=60.0, on_error=errors.append)
    relay.run(following(server.url))
    server.respond(404)
    with pytest.raises(ResponseRejected):
        relay.run(following(server.url))
    assert [(type(item.error).__name__, item.delay) for item in errors] == [
        ("StreamEnded", 0.02),
        ("ResponseRejected", None),
    ]
    server.stream(*numbered(1, first=3))
    RedisRelay(client, "builds", lease=60.0).run(following(server.url))
    assert data_in(client) == ["1", "2", "3"]


@pytest.mark.parametrize("reason", ["the stream", "Redis"])
def test_a_relay_that_failed_is_freed_at_once(reason: str, client: Any, server: EventStreamServer) -> None:
    """When `run` has raised, nothing keeps the relay and its buffers until the garbage collector comes."""
    if reason == "Redis":
        client.set("builds", "a string")
        server.stream(*numbered(3), hold())
    else:
        server.respond(404)
    relay = RedisRelay(client, "builds")
    kept = weakref.ref(relay)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(EventSourceError):
            relay.run(following(server.url))
        del relay
        assert kept() is None
    finally:
        gc.enable()


def test_what_has_arrived_is_appended_before_the_end(client: Any, server: EventStreamServer) -> None:
    """`stop` appends what was received, and gives the position to the next relay."""
    server.handler = lambda exchange: exchange.run(*numbered(5_000, first=next_number(exchange)))
    for _ in range(3):
        with Running(RedisRelay(client, "builds", lease=60.0), following(server.url)):
            before = client.xlen("builds")
            wait_for_length(client, before + 1)
    count = client.xlen("builds")
    assert data_in(client) == [str(number) for number in range(1, count + 1)]
    assert state(client)["position"] == str(count)


@pytest.mark.parametrize("phase", ["following", "standing by", "waiting for the server", "waiting for Redis"])
def test_stop_ends_every_wait(phase: str, database: RedisServer, client: Any, server: EventStreamServer) -> None:
    """`run` returns within a tenth of a second of `stop`, whatever it waits for."""
    told = threading.Event()
    never = ReconnectPolicy(reconnection_time=60.0)
    relay = RedisRelay(
        client, "builds", lease=60.0, reconnect=never, on_standby=told.set, on_error=lambda _: told.set()
    )
    if phase == "following":
        server.stream(hold())
    elif phase == "standing by":
        client.hset("{builds}:relay", mapping={"leader": "another", "until": now(client) + 60_000})
    elif phase == "waiting for the server":
        server.respond(503)
    else:
        database.program.stop()
    with Running(relay, lambda last_event_id: EventSource(server.url, reconnect=never)) as running:
        if phase == "following":
            server.wait_for_requests(1)
        else:
            assert told.wait(PATIENCE)
        assert running.stop() < 1.0
    assert running.error is None


@pytest.mark.parametrize("phase", ["the first call", "an append"])
def test_stop_ends_the_wait_for_a_redis_that_hangs(
    phase: str, database: RedisServer, client: Any, server: EventStreamServer
) -> None:
    """A Redis that has stopped answering does not keep `run` from returning."""
    go_on = threading.Event()

    def serve(exchange: Exchange) -> None:
        exchange.run(event("1", id="1"))
        exchange.wait_for(go_on)
        exchange.run(event("2", id="2"), hold())

    server.reply(serve)
    relay = RedisRelay(client, "builds", lease=60.0)
    if phase == "an append":
        with Running(relay, following(server.url)) as running:
            wait_for_length(client, 1)
            with database.halted():
                go_on.set()
                wait_until(lambda: relay._source.last_event_id == "2")
                assert running.stop() < 3.0
    else:
        with database.halted(), Running(relay, following(server.url)) as running:
            wait_until(lambda: relay._store._client is not None)
            assert running.stop() < 3.0
    assert running.error is None


@pytest.mark.parametrize(("number", "said"), [(signal.SIGTERM, "stopped"), (signal.SIGINT, "interrupted")])
def test_signals_end_a_program(
    number: signal.Signals, said: str, database: RedisServer, client: Any, server: EventStreamServer
) -> None:
    """`stop` in a signal handler, and Ctrl-C, end `run` at once, and the lease is free."""
    server.stream(*numbered(3), hold())
    with child(RELAY, str(database.port), server.url, "60") as process:
        wait_for_length(client, 3)
        began = time.monotonic()
        process.process.send_signal(number)
        wait_for_line(process, said)
        assert time.monotonic() - began < 2.0
        assert process.process.wait(PATIENCE) == 0
    assert "leader" not in state(client)


def test_a_callback_may_stop_the_relay_or_fail(
    client: Any, server: EventStreamServer, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception in a callback is logged and stops nothing; `stop` in one ends the relay for good."""
    server.stream(*numbered(3), drop())

    def fail(_position: str) -> None:
        raise ValueError("a mistake of the application's")

    relay = RedisRelay(client, "builds", on_lead=fail, on_error=lambda _: relay.stop())
    with caplog.at_level(logging.ERROR, logger="sse_client"):
        relay.run(following(server.url))
    assert "a callback of the relay of 'builds' failed" in caplog.text
    assert "a mistake of the application's" in caplog.text
    assert data_in(client) == ["1", "2", "3"]
    requests = len(server.requests)
    relay.run(following(server.url))  # after stop() it returns at once
    assert len(server.requests) == requests


def test_no_request_is_made_after_stop(client: Any, server: EventStreamServer) -> None:
    """A source that is made while the relay stops is closed before it has connected."""
    relay = RedisRelay(client, "builds")

    def follow(last_event_id: str) -> EventSource:
        relay.stop()
        wait_until(relay._halted.is_set)
        return EventSource(server.url, last_event_id=last_event_id)

    relay.run(follow)
    assert server.requests == []
    assert "leader" not in state(client)


def test_ctrl_c_is_looked_for_where_it_cuts_no_wait_short(
    client: Any, server: EventStreamServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Ctrl-C does not end the wait of `run`, as on Windows, the wait is cut into pieces."""
    monkeypatch.setattr(relays, "_GLANCE", 0.001)
    server.stream(*numbered(3), pause(0.1))
    RedisRelay(client, "builds").run(following(server.url))
    assert data_in(client) == ["1", "2", "3"]


class Unencodable(Connector, Connection):
    """Brings an event with half a surrogate pair, which has no UTF-8, as JSON can carry it."""

    def connection(self) -> Connection:
        return self

    def open(self, last_event_id: str) -> ResponseHead:
        return ResponseHead("http://example.com/", "http://example.com", 200, {})

    def read(self) -> list[MessageEvent]:
        return [MessageEvent(data="\ud800", last_event_id="1")]

    def interrupt(self) -> None:
        pass

    def release(self) -> None:
        pass


def test_an_event_that_cannot_be_kept_ends_the_relay(client: Any) -> None:
    """A connector's event that is no text is raised as what it is, and the lease is free again."""
    with pytest.raises(UnicodeEncodeError):
        RedisRelay(client, "builds").run(lambda _: EventSource(Unencodable()))
    assert "leader" not in state(client)


def test_one_run_at_a_time(client: Any, server: EventStreamServer) -> None:
    """A second `run` of the same relay is refused while the first goes on."""
    server.stream(hold())
    with Running(RedisRelay(client, "builds"), following(server.url)) as running:
        wait_until(lambda: running.relay.leading)
        with pytest.raises(RuntimeError, match="running already"):
            running.relay.run(following(server.url))


def test_a_relay_that_runs_is_of_no_use_in_a_forked_child(
    database: RedisServer, client: Any, server: EventStreamServer
) -> None:
    """After os.fork(), `run` in the child says why it cannot be; `stop` there leaves the parent's relay alone."""
    code = """
import os, redis, sys, threading
from sse_client import EventSource
from sse_client.redis_relay import RedisRelay

relay = RedisRelay(redis.Redis(port=int(sys.argv[1])), "builds", on_lead=lambda position: leads.set())
leads = threading.Event()
follow = lambda last_event_id: EventSource(sys.argv[2], last_event_id=last_event_id)
thread = threading.Thread(target=relay.run, args=(follow,))
thread.start()
leads.wait()
import warnings
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    relay.stop()
    try:
        relay.run(follow)
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("alive", relay.leading, flush=True)
relay.stop()
thread.join()
"""
    server.handler = lambda exchange: exchange.run(hold())
    with child(code, str(database.port), server.url) as process:
        wait_for_line(process, "this RedisRelay runs in process")
        wait_for_line(process, "alive True")
        assert process.process.wait(PATIENCE) == 0


# Arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"client": object()}, TypeError, "client must be a redis.Redis or redis.RedisCluster, not object"),
        ({"name": ""}, TypeError, "name must be"),
        ({"name": b"builds"}, TypeError, "name must be"),
        ({"lease": 0}, ValueError, "lease must be"),
        ({"max_length": 0}, ValueError, "max_length must be"),
        ({"capacity": 3}, TypeError, "capacity must be a threading.Semaphore"),
        ({"reconnect": 1.0}, TypeError, "reconnect must be a ReconnectPolicy"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    """A wrong argument is refused where it is given, by name."""
    with pytest.raises(error, match=re.escape(text)):
        RedisRelay(**{"client": redis.Redis(), "name": "builds", **arguments})


@pytest.mark.parametrize(
    ("follow", "error"),
    [
        (lambda _: None, TypeError),
        (lambda _: EventSource("http://localhost/"), ValueError),
        (lambda it: EventSource("http://localhost/", last_event_id=it, position=PositionFile("p")), ValueError),
    ],
)
def test_a_wrong_source_is_refused(follow: Any, error: type[Exception], client: Any) -> None:
    """What `follow` returns must be a source that begins at Redis's position and has none itself; the lease is free."""
    client.hset("{builds}:relay", mapping={"position": "7"})
    with pytest.raises(error, match="follow must return"):
        RedisRelay(client, "builds", lease=60.0).run(follow)
    assert "leader" not in state(client)


# Redis in other forms -------------------------------------------------------------------------


def test_a_cluster(tmp_path: Path, server: EventStreamServer) -> None:
    """A Redis Cluster, which refuses scripts on keys of two slots, takes the relay's."""
    server.serve_log(3)
    with redis_server(tmp_path, "--cluster-enabled", "yes", "--cluster-require-full-coverage", "no") as node:
        with node.client() as plain:
            plain.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
            wait_until(lambda: "cluster_state:ok" in str(plain.execute_command("CLUSTER", "INFO")).replace("'", ""))
        with redis.RedisCluster(host="127.0.0.1", port=node.port) as cluster:
            RedisRelay(cluster, "builds").run(following(server.url))
            assert data_in(cluster) == ["1", "2", "3"]


def test_a_unix_socket(tmp_path: Path, server: EventStreamServer) -> None:
    """A client that reaches Redis over a Unix domain socket can be the relay's."""
    server.serve_log(3)
    path = str(tmp_path / "socket")
    with redis_server(tmp_path, "--unixsocket", path), redis.Redis(unix_socket_path=path) as client:
        RedisRelay(client, "builds").run(following(server.url))
        assert data_in(client) == ["1", "2", "3"]


def test_tls(tmp_path: Path, authority: trustme.CA, server: EventStreamServer) -> None:
    """TLS is as the client has it; a certificate that is not valid is final."""
    server.serve_log(3)
    certificate = authority.issue_cert("127.0.0.1")
    files = {name: str(tmp_path / name) for name in ("cert", "key", "authority")}
    certificate.cert_chain_pems[0].write_to_path(files["cert"])
    certificate.private_key_pem.write_to_path(files["key"])
    authority.cert_pem.write_to_path(files["authority"])
    port = free_port()
    options = ["--tls-port", str(port), "--tls-auth-clients", "no"]
    options += ["--tls-cert-file", files["cert"], "--tls-key-file", files["key"]]
    options += ["--tls-ca-cert-file", files["authority"]]
    with redis_server(tmp_path, *options) as database, database.client() as plain:
        url = f"rediss://127.0.0.1:{port}/0"
        with redis.Redis.from_url(url, ssl_ca_certs=files["authority"]) as client:
            RedisRelay(client, "builds").run(following(server.url))
        assert data_in(plain) == ["1", "2", "3"]
        with redis.Redis.from_url(url) as client, pytest.raises(RedisRejected, match=f"certificate.*{url}"):
            RedisRelay(client, "builds").run(following(server.url))


def test_sentinel(tmp_path: Path, server: EventStreamServer) -> None:
    """A client whose address comes from a Sentinel can be the relay's; without a master, the relay waits for one."""
    server.serve_log(3)
    port = free_port()
    configuration = tmp_path / "sentinel.conf"
    with redis_server(tmp_path) as database:
        configuration.write_text(f"port {port}\nsentinel monitor main 127.0.0.1 {database.port} 1\n")
        command = [needs("redis-server", "redis-server"), str(configuration), "--sentinel"]
        with running(command, port, tmp_path / "sentinel.log"):
            sentinel = redis.sentinel.Sentinel([("127.0.0.1", port)])
            with sentinel.master_for("main") as client, sentinel.master_for("another") as lost:
                RedisRelay(client, "builds").run(following(server.url))
                assert data_in(client) == ["1", "2", "3"]
                policy = ReconnectPolicy(max_attempts=1)
                with pytest.raises(RedisUnavailable, match=r"redis\+sentinel://another"):
                    RedisRelay(lost, "builds", reconnect=policy).run(following(server.url))
            for it in sentinel.sentinels:
                it.close()
