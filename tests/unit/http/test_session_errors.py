"""What an error out of a session is about: each kind of error by itself; the sessions are in test_requests_bridge."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any
from unittest.mock import Mock

import pytest

requests = pytest.importorskip("requests", reason="needs the package requests")

from urllib3.exceptions import MaxRetryError, NameResolutionError  # noqa: E402 - after the skip

from sse_client._http.session_errors import inner_error, is_the_users, showable, why_no_header  # noqa: E402


@pytest.mark.parametrize(
    ("error", "users"),
    [
        (FileNotFoundError(errno.ENOENT, "no token file"), True),
        (OSError("Could not find a suitable TLS CA certificate bundle"), True),
        (OSError(errno.EHOSTUNREACH, "no route"), False),
        (ConnectionResetError(errno.ECONNRESET, "reset"), False),
        (TimeoutError(), False),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), False),
        (ssl.SSLError("handshake"), False),
        (requests.exceptions.ConnectionError("refused"), False),
        (ValueError("not the system's"), False),
    ],
    ids=repr,
)
def test_whose_error_it_is(error: Exception, users: bool) -> None:
    """An error of the system's is the user's own unless it is of the network; requests' own are not."""
    assert is_the_users(error) is users


def test_the_header_is_named_and_its_value_is_not() -> None:
    """Of a header that cannot be sent, the name is told."""
    text = why_no_header({"X-Good": "1", "X-None": None, "X-Token": "s3cret\nmore"})
    assert "'X-Token'" in text
    assert "s3cret" not in text
    assert why_no_header({}).startswith("a header cannot be sent")


def test_what_may_be_shown() -> None:
    """The error of urllib3 or the system inside may be shown; one of requests' own, which quotes URLs, may not."""
    broken: Any = NameResolutionError("host", Mock(), socket.gaierror())
    held = requests.exceptions.ConnectionError(MaxRetryError(None, "/x?token=s3cret", broken))  # type: ignore[arg-type]
    assert inner_error(held) is broken
    assert showable(held) is broken
    assert broken.conn is None, "it would keep a connection alive"
    bare = requests.exceptions.ConnectionError("http://a/x?token=s3cret")
    assert inner_error(bare) is bare
    assert showable(bare) is None
