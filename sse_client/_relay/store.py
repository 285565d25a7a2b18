"""What a relay keeps in Redis, and the scripts that change it.

Rules of this file: it is the only place that knows redis-py. Each method is one round trip, and
may be repeated after an error: a command that took effect although its reply was lost has no
second effect. Nothing here waits for anything else, or retries.

A relay named ``builds`` has two keys, in the same slot of a Redis Cluster:

``builds``
    The stream. Each entry is one event, with the fields ``type``, ``data``, ``id`` and ``origin``.
``{builds}:relay``
    A hash: ``leader`` (the fencing token of whoever leads), ``until`` (the end of its lease, in
    milliseconds of Redis's own clock), ``batch`` (how many batches this leader has committed) and
    ``position`` (the last event ID of the stream).
"""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Sequence
from typing import Any, Callable, Optional

from sse_client.errors import ConnectionFailed, EventSourceError, chain_of
from sse_client.events import MessageEvent

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.cluster import ClusterNode, RedisCluster
    from redis.exceptions import (
        AuthenticationError,
        AuthenticationWrongNumberOfArgsError,
        AuthorizationError,
        ClusterError,
        NoScriptError,
        OutOfMemoryError,
        ReadOnlyError,
        RedisClusterException,
        RedisError,
        TryAgainError,
    )
    from redis.retry import Retry
    from redis.sentinel import SentinelConnectionPool
except ImportError as error:
    raise ImportError("RedisRelay needs one package more: pip install 'redis>=5'", name="redis") from error

# redis-py has no types for these.
_ClusterNode: Any = ClusterNode
_SentinelConnectionPool: Any = SentinelConnectionPool

# KEYS: the hash. ARGV: the token of the relay that asks, the lease in milliseconds.
_ACQUIRE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', KEYS[1], 'leader', 'until', 'position')
if state[1] ~= ARGV[1] then
  if state[1] and tonumber(state[2]) > now then
    return {tonumber(state[2]) - now}
  end
  redis.call('HSET', KEYS[1], 'leader', ARGV[1], 'batch', 0, 'until', string.format('%.0f', now + ARGV[2]))
end
return {0, state[3] or ''}
"""

# KEYS: the hash, the stream. ARGV: the token of the leader, the number of the batch, the lease in
# milliseconds, the position after the batch, the length to trim to or 0; then four for each event.
#
# The token fences: it is compared where the events are kept, so a leader that was stopped for
# longer than its lease cannot append after another has led. The number tells three cases apart:
#
# - it follows the number in the hash: append, and move the position;
# - it is the number in the hash: this batch has been appended, and the reply was lost;
# - anything else: Redis has lost what it had confirmed (a crash, a replica that was behind). Stream
#   and position went back together, so whoever goes on from that position keeps both right. Or this
#   call was delayed on a connection that has been given up: it was repeated, and more has followed.
_COMMIT = """
local state = redis.call('HMGET', KEYS[1], 'leader', 'batch')
local number, batch = tonumber(ARGV[2]), tonumber(state[2])
if state[1] ~= ARGV[1] or (batch ~= number and batch ~= number - 1) then
  return 0
end
if batch ~= number then
  for i = 6, #ARGV, 4 do
    redis.call('XADD', KEYS[2], '*', 'type', ARGV[i], 'data', ARGV[i + 1], 'id', ARGV[i + 2], 'origin', ARGV[i + 3])
  end
  if ARGV[5] ~= '0' and #ARGV > 5 then
    redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[5])
  end
  redis.call('HSET', KEYS[1], 'batch', ARGV[2], 'position', ARGV[4])
end
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', ends))
return 1
"""

# KEYS: the hash. ARGV: the token of the leader.
_RELEASE = """
if redis.call('HGET', KEYS[1], 'leader') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'leader', 'until')
end
"""

# What Redis says of a state that passes: out of memory, loading, failing over, resharding.
_TEMPORARY = re.compile(r"\b(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY|TRYAGAIN)\b")


class RedisUnavailable(ConnectionFailed):
    """Redis did not answer, or cannot take writes at present. Retried; nothing is dropped meanwhile."""


class RedisRejected(EventSourceError):
    """Redis refused for good: a wrong password, a missing permission, a key of another type. Never retried."""


def state_key(name: str) -> str:
    """Return the key of a relay's hash, in the same slot of a Redis Cluster as the stream ``name``.

    Raises:
        TypeError: The name is no text.
        ValueError: The name has braces that are no hash tag, so that no other key can share its slot.
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"name must be a str that is not empty, not {name!r}")
    # "If the key contains a { character, and if there is a } character to the right of {, and if
    # there are one or more characters between the first occurrence of { and the first occurrence
    # of }, then only what is between is hashed." (Redis Cluster specification, hash tags)
    if re.search(r"^[^{]*\{[^}]+\}", name):
        return f"{name}:relay"
    if "{" in name or "}" in name:
        raise ValueError(f"name must not contain braces, unless they enclose a hash tag of Redis Cluster: {name!r}")
    return f"{{{name}}}:relay"


class Store:
    """The keys of one relay in Redis. For one thread, except `disconnect`.

    It connects by itself, with the settings of the ``client`` and two of its own: a time-out on
    every reply, so that a lease can be renewed in time, and no retries, which redis-py would
    sleep between.

    Args:
        client: Whose settings to use.
        name: The stream.
        lease: Seconds that a leader has from each commit.
        max_length: What to trim the stream to, approximately; None for no limit.
    """

    def __init__(self, client: Any, name: str, *, lease: float, max_length: Optional[int]) -> None:
        if not isinstance(client, (redis.Redis, RedisCluster)):
            raise TypeError(f"client must be a redis.Redis or redis.RedisCluster, not {type(client).__name__}")
        self._given_client = client
        self._stream = name
        self._state = state_key(name)
        self._lease = lease
        self._max_length = max_length or 0
        self._address = address_of(client)
        self._client: Any = None
        self._acquire: Any = None
        self._commit: Any = None
        self._release: Any = None

    def acquire(self, token: str) -> tuple[Optional[str], float]:
        """Take the lease if it is free, or this token's. Blocks for the reply.

        Returns:
            The position to go on from; or None, and the seconds that the lease of another
            relay has left.

        Raises:
            RedisUnavailable, RedisRejected: See there.
        """
        remaining, *position = self._call(
            lambda: self._acquire(keys=[self._state], args=[token, _milliseconds(self._lease)])
        )
        return (position[0].decode(), 0.0) if position else (None, remaining / 1000)

    def commit(self, token: str, number: int, events: Sequence[MessageEvent], position: str) -> bool:
        """Append events, move the position and renew the lease, all or nothing. Blocks for the reply.

        Args:
            token: What `acquire` was called with.
            number: 1 for the first batch after `acquire`, and so on; the same when it is repeated.
            events: What to append; may be empty.
            position: The last event ID after these events.

        Returns:
            False if this token leads no more: nothing has been changed, and nothing will be.

        Raises:
            RedisUnavailable, RedisRejected: See there.
        """
        arguments: list[Any] = [token, number, _milliseconds(self._lease), position, self._max_length]
        for event in events:
            arguments += (event.type, event.data, event.last_event_id, event.origin)
        return bool(self._call(lambda: self._commit(keys=[self._state, self._stream], args=arguments)))

    def release(self, token: str) -> None:
        """End the lease if this token has it, so that another relay can lead at once. Blocks for the reply.

        Raises:
            RedisUnavailable, RedisRejected: See there.
        """
        self._call(lambda: self._release(keys=[self._state], args=[token]))

    def disconnect(self) -> None:
        """Make a call that is waiting for Redis in another thread fail at once, with any exception.

        It may come too early for a call that is just connecting: repeat it until the call has ended.
        """
        client = self._client
        if client is not None:
            with contextlib.suppress(Exception):  # redis-py changes its connections in the other thread meanwhile
                _disconnect(client)

    def close(self) -> None:
        """Close the connection. The next call makes another one."""
        client, self._client = self._client, None
        if client is not None:
            _disconnect(client)

    def _call(self, command: Callable[[], Any]) -> Any:
        try:
            if self._client is None:
                client = _private_client(self._given_client, self._lease / 2)
                self._acquire = client.register_script(_ACQUIRE)
                self._commit = client.register_script(_COMMIT)
                self._release = client.register_script(_RELEASE)
                self._client = client
            return command()
        except (RedisError, RedisClusterException, OSError) as error:
            for link in chain_of(error):
                link.__traceback__ = None  # its frames would keep the connection and the batch alive
            if _is_temporary(error):
                raise RedisUnavailable(f"Redis is not available: {error}", url=self._address) from error
            raise RedisRejected(f"Redis refused: {error}", url=self._address) from error


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _is_temporary(error: BaseException) -> bool:
    """Decide whether the same call may succeed later.

    - A wrong user, password or permission, and a certificate that is not valid: no.
    - No connection, no reply in time, a cluster that is changing: yes.
    - A reply that says that Redis cannot do it at present: yes. Any other refusal: no.
    """
    final = (
        AuthenticationError,
        AuthenticationWrongNumberOfArgsError,
        AuthorizationError,
        ssl.SSLCertVerificationError,
    )
    if any(isinstance(link, final) for link in chain_of(error)):
        return False
    passing = (
        redis.ConnectionError,
        redis.TimeoutError,
        OSError,
        RedisClusterException,
        ClusterError,
        NoScriptError,
        OutOfMemoryError,
        ReadOnlyError,
        TryAgainError,
    )
    return isinstance(error, passing) or _TEMPORARY.search(str(error)) is not None


# redis-py's clients -------------------------------------------------------------------------


def _private_client(client: Any, timeout: float) -> Any:
    """Return a client with the settings of another one, and connections of its own."""
    settings: dict[str, Any] = dict(client.get_connection_kwargs())
    settings.pop("connection_pool", None)  # a sentinel's pool adds itself
    for name in ("socket_timeout", "socket_connect_timeout"):
        settings[name] = min(settings.get(name) or timeout, timeout)
    settings.update(encoding="utf-8", encoding_errors="strict", decode_responses=False, retry=Retry(NoBackoff(), 0))
    if _is_cluster(client):
        nodes = [_ClusterNode(node.host, node.port) for node in client.get_nodes()]
        return RedisCluster(startup_nodes=nodes, **settings)
    pool = client.connection_pool
    settings["connection_class"] = pool.connection_class
    if isinstance(pool, _SentinelConnectionPool):
        return redis.Redis(
            connection_pool=_SentinelConnectionPool(
                pool.service_name,
                pool.sentinel_manager,
                is_master=pool.is_master,
                check_connection=pool.check_connection,
                **settings,
            )
        )
    return redis.Redis(connection_pool=redis.ConnectionPool(**settings))


def _is_cluster(client: Any) -> bool:
    return isinstance(client, RedisCluster)


def _disconnect(client: Any) -> None:
    if _is_cluster(client):
        client.disconnect_connection_pools()
    else:
        client.connection_pool.disconnect()


def address_of(client: Any) -> str:
    """Return where a client connects to, without user and password, to be shown."""
    if _is_cluster(client):
        return "redis://" + ",".join(f"{node.host}:{node.port}" for node in client.get_nodes())
    pool, settings = client.connection_pool, client.get_connection_kwargs()
    if isinstance(pool, _SentinelConnectionPool):
        return f"redis+sentinel://{pool.service_name}"
    if "path" in settings:
        return f"unix://{settings['path']}"
    scheme = "rediss" if issubclass(pool.connection_class, redis.SSLConnection) else "redis"
    host = settings.get("host", "localhost")
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{settings.get('port', 6379)}/{settings.get('db', 0)}"
