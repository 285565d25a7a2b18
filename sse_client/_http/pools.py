"""The urllib3 pools and the cookies that one source keeps between attempts.

Rules of this file: pools are made, chosen and closed here; requests are sent elsewhere.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import sys
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Optional

import urllib3
from urllib3 import connection as urllib3_connection

from .authorities import system_context, where_from
from .cookies import Cookies
from .proxies import Proxy, environment_proxy
from .url import Url

_ANOTHER_URLLIB3 = (
    "sse_client builds on urllib3, and another package is imported by that name ({where}): urllib3-future,"
    " it seems, which niquests installs in its place. Install one of them into a virtual environment of its own,"
    " or both side by side: URLLIB3_NO_OVERRIDE=true pip install niquests urllib3 --no-binary urllib3-future"
)

_KEEP_ALIVE_IDLE, _KEEP_ALIVE_INTERVAL, _KEEP_ALIVE_PROBES = 60, 15, 4


def check_urllib3() -> None:
    """Raise ImportError if another package has taken the place of urllib3.

    urllib3-future does. Its connections are not http.client's, so no wait of theirs can be
    ended: close() would take until a time-out is up.
    """
    if not issubclass(urllib3_connection.HTTPConnection, http.client.HTTPConnection):
        raise ImportError(_ANOTHER_URLLIB3.format(where=urllib3.__file__), name="urllib3")


class Pools:
    """The pools of one source: its own, one for each proxy, or one that the application has and keeps.

    Args:
        proxy: The proxy for all requests, or None.
        trust_env: Whether, without a proxy, to use those that the environment names.
        ssl_context: What to check certificates with; None for the operating system's authorities
            if truststore is installed, and else for OpenSSL's.
        pool: The application's manager, which has its own proxy and certificates; or None.

    Attributes:
        cookies: What servers have set.

    Raises:
        ImportError: The proxy speaks SOCKS, and the package for that is not installed; or see `check_urllib3`.
    """

    def __init__(
        self,
        *,
        proxy: Optional[Proxy],
        trust_env: bool,
        ssl_context: Optional[ssl.SSLContext],
        pool: Optional[urllib3.PoolManager],
    ) -> None:
        check_urllib3()
        self.cookies = Cookies()
        self._pool = pool
        self._proxy = proxy
        self._trust_env = trust_env and pool is None
        self._ssl_context = ssl_context
        self._managers: dict[Optional[Proxy], urllib3.PoolManager] = {}
        self._bare_context: Optional[ssl.SSLContext] = None
        if proxy is not None:
            self.manager_for(proxy)  # so that a missing package raises here, and not in the loop

    def proxy_for(self, url: Url) -> Optional[Proxy]:
        """Return the proxy for a request to this URL. Raises ValueError if the environment names none that is one."""
        return self._proxy or (environment_proxy(url) if self._trust_env else None)

    def manager_for(self, proxy: Optional[Proxy]) -> urllib3.PoolManager:
        """Return the manager of the connections that go through this proxy. Raises ImportError as `make_manager`."""
        if self._pool is not None:
            return self._pool
        if proxy not in self._managers:
            self._managers[proxy] = make_manager(proxy, self._ssl_context or self._system_context)
        return self._managers[proxy]

    @cached_property
    def _system_context(self) -> Optional[ssl.SSLContext]:
        return system_context()

    def authorities(self) -> str:
        """Return where the authorities come from that are trusted, for an error."""
        if self._pool is not None:
            return "the authorities are those of the pool"
        if self._ssl_context is None and self._system_context is not None:
            return "the authorities are those of the operating system"
        return where_from(self._ssl_context)

    def settings_without_certificate(self, manager: urllib3.PoolManager) -> dict[str, Any]:
        """Return what to change in a manager's settings so that it shows no client certificate."""
        own: Mapping[str, Any] = manager.connection_pool_kw
        settings: dict[str, Any] = {name: None for name in ("cert_file", "key_file", "key_password") if own.get(name)}
        context = own.get("ssl_context")
        if context is not None:
            # One for all requests: urllib3 keeps a pool for each context.
            self._bare_context = self._bare_context or without_certificate(context)
            settings["ssl_context"] = self._bare_context
        return settings

    def close(self) -> None:
        """Close the connections that are kept, those of an application's pool aside."""
        for manager in list(self._managers.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - not a dict: iterating over it is refused
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
            manager.clear()


def make_manager(proxy: Optional[Proxy], ssl_context: Optional[ssl.SSLContext]) -> urllib3.PoolManager:
    """Return a manager for one source, which has one connection at a time and keeps one to use again.

    Raises:
        ImportError: The proxy speaks SOCKS, and the package for that is not installed.
    """
    settings: dict[str, Any] = {"num_pools": 4, "maxsize": 1, "socket_options": socket_options()}
    if ssl_context is not None:
        settings["ssl_context"] = ssl_context
    if proxy is None:
        return urllib3.PoolManager(**settings)
    if proxy.is_socks:
        if find_spec("socks") is None:
            raise ImportError("a SOCKS proxy needs one package more: pip install PySocks")
        from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415 - an optional package, PySocks

        return SOCKSProxyManager(proxy.url, username=proxy.user, password=proxy.password, **settings)
    headers = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else None
    if ssl_context is not None and proxy.url.startswith("https"):
        settings["proxy_ssl_context"] = ssl_context
    return urllib3.ProxyManager(proxy.url, proxy_headers=headers, **settings)


def without_certificate(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return a context that verifies as this one does, and shows no client certificate.

    It trusts the same authorities, as far as they can be read from a context: those of files.
    If there are none, or the context is of another class, it trusts those of the system.
    """
    if type(context) is not ssl.SSLContext or not context.cert_store_stats()["x509_ca"]:
        return ssl.create_default_context()
    bare = ssl.SSLContext(context.protocol)
    bare.check_hostname = False  # before verify_mode, which it depends on
    bare.verify_mode = context.verify_mode
    bare.check_hostname = context.check_hostname
    bare.verify_flags = context.verify_flags
    bare.options = context.options
    bare.minimum_version = context.minimum_version
    bare.maximum_version = context.maximum_version
    bare.load_verify_locations(cadata=b"".join(context.get_ca_certs(binary_form=True)))
    return bare


def socket_options() -> list[tuple[int, int, int]]:
    """Return urllib3's options and TCP keep-alive: a dead peer is noticed after two minutes, if the platform can."""
    defaults: Any = urllib3_connection.HTTPConnection.default_socket_options
    options: list[Any] = [*defaults, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    # macOS has another name for the time before the first probe, which Python knows since 3.10.
    idle = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)
    if idle is None and sys.platform == "darwin":
        idle = 0x10
    for option, value in (
        (idle, _KEEP_ALIVE_IDLE),
        (getattr(socket, "TCP_KEEPINTVL", None), _KEEP_ALIVE_INTERVAL),
        (getattr(socket, "TCP_KEEPCNT", None), _KEEP_ALIVE_PROBES),
    ):
        if option is not None:
            options.append((socket.IPPROTO_TCP, option, value))
    return options
