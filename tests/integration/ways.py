"""The ways in which a source can get its connections, for tests that must hold for each."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.contrib.socks import SOCKSProxyManager

from sse_client import EventSource, ReconnectPolicy
from sse_client.requests_bridge import RequestsConnector


def application_pool(proxy: Optional[str] = None, **settings: Any) -> urllib3.PoolManager:
    """A pool as an application makes it."""
    if proxy is None:
        return urllib3.PoolManager(**settings)
    if proxy.startswith("socks"):
        return SOCKSProxyManager(proxy, **settings)
    return urllib3.ProxyManager(proxy, **settings)


@contextmanager
def _own_pools(url: Any, reconnect: Optional[ReconnectPolicy], proxy: Optional[str], **options: Any) -> Iterator[Any]:
    with EventSource(url, reconnect=reconnect, proxy=proxy, trust_env=False, **options) as source:
        yield source


@contextmanager
def _a_pool(url: Any, reconnect: Optional[ReconnectPolicy], proxy: Optional[str], **options: Any) -> Iterator[Any]:
    pool = application_pool(proxy)
    with EventSource(url, reconnect=reconnect, pool=pool, **options) as source:
        yield source
    pool.clear()


@contextmanager
def _a_session(url: Any, reconnect: Optional[ReconnectPolicy], proxy: Optional[str], **options: Any) -> Iterator[Any]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = os.environ.get("SSL_CERT_FILE") or True
        if proxy is not None and proxy.startswith("https:"):  # which `verify` is not for
            session.mount("https://", HTTPAdapter())
            session.get_adapter(proxy).proxy_manager_for(proxy, proxy_ssl_context=ssl.create_default_context())
        if proxy is not None:
            session.proxies = {"http": proxy, "https": proxy}
        with EventSource(RequestsConnector(session, url, **options), reconnect=reconnect) as source:
            yield source


WAYS: dict[str, Any] = {"own pools": _own_pools, "a pool": _a_pool, "a session": _a_session}
"""Each makes a source: ``way(url, reconnect, proxy, **time-outs)``. They trust the file that SSL_CERT_FILE names."""
