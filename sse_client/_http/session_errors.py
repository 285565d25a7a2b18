"""What an error out of a ``requests.Session`` is about: the network, or the session itself.

requests quotes whole URLs and header values, so the text of its errors is passed on only
where it was redacted.
"""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Optional

import requests
from requests import exceptions as requests_errors
from urllib3 import exceptions as urllib3_errors

from .failures import sanitized_cause

MAX_TEXT = 2000  # characters of a text that is not this package's

FOREIGN_ERRORS = (requests.RequestException, urllib3_errors.HTTPError, http.client.HTTPException, OSError)
"""All that a request over a session raises of its own accord."""

_ERRORS_OF_THE_NETWORK = (ConnectionError, TimeoutError, socket.timeout, socket.gaierror, socket.herror, ssl.SSLError)
_ERROR_NUMBERS_OF_THE_NETWORK = frozenset(
    {
        errno.EADDRNOTAVAIL,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENOBUFS,
        errno.ENOTCONN,
    }
)


def is_the_users(error: Exception) -> bool:
    """Whether this is an `OSError` that has nothing to do with the network: another attempt would not help.

    requests itself raises one for a certificate file that is missing.
    """
    if not isinstance(error, OSError) or isinstance(error, (requests.RequestException, *_ERRORS_OF_THE_NETWORK)):
        return False
    return error.errno not in _ERROR_NUMBERS_OF_THE_NETWORK


def why_no_header(headers: Mapping[Any, Any]) -> str:
    """Return which header of the session requests refuses to send, without its value."""
    which = "a header"
    for name, value in headers.items():
        try:
            if value is not None:
                requests.utils.check_header_validity((name, value))
        except requests_errors.InvalidHeader:
            which = f"the session's header {name!r}"
    return f"{which} cannot be sent: it must be str or bytes, without line breaks and without white space in front"


def showable(error: Exception) -> Optional[BaseException]:
    """Return what may be shown as the ``__cause__``, or None: errors of requests quote whole URLs."""
    within = inner_error(error)
    return None if isinstance(within, requests.RequestException) else sanitized_cause(within)


def inner_error(error: Exception) -> Exception:
    """Return the error of urllib3 or the system that an error of requests holds, or itself if it holds none."""
    if isinstance(error, requests.RequestException):
        error = next((arg for arg in error.args if isinstance(arg, Exception)), error)
    if isinstance(error, urllib3_errors.MaxRetryError) and error.reason is not None:
        error = error.reason
    return error


def redacted(text: str) -> str:
    """Return a text that may quote URLs without their queries, users and passwords."""
    without_queries = re.sub(r"\?\S*", "?...", text[:MAX_TEXT])
    return re.sub(r"://[^/\s@]*@", "://", without_queries).strip()
