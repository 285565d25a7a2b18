"""What the options ask of a stream: its request, its TLS, its way there, how it is made again.

Rules of this file: files, stdin and the terminal are read here, before anything is
connected to. What is wrong is a ValueError that names the option; no message shows a URL,
a header or a token.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import json
import os
import re
import ssl
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional
from urllib.parse import urlsplit

from sse_client._http.authorities import system_context
from sse_client.connector import Connector
from sse_client.position import PositionFile
from sse_client.reconnect import ReconnectPolicy
from sse_client.source import EventSource

TOKEN = "SSE_AUTHORIZATION"  # noqa: S105 - the name of a variable
"""The variable of the environment that holds the value of an Authorization header."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a "token" (RFC 9110, section 5.6.2)


def make_stream(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Connector:
    """Return the connector for the URL that was given, asked for as the options say; raises as `stream_settings`."""
    return EventSource(options.url, **stream_settings(options, environ)).connector


def stream_settings(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return what to make an `EventSource` with, beside the URL. Reads stdin, and asks for a password, if it is to.

    Raises:
        ValueError: An option is wrong; the message names it.
        ImportError: The proxy speaks SOCKS, and the package for that is not installed.
    """
    body, content_type = _body(options)
    headers = _joined(_authorized(_given_headers(options), options, environ))
    if content_type and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = content_type
    return {
        "headers": headers,
        "method": options.method or ("GET" if body is None else "POST"),
        "body": body,
        "connect_timeout": options.connect_timeout,
        "response_timeout": options.idle_timeout,  # a head that is held back is a quiet stream
        "idle_timeout": options.idle_timeout,
        "proxy": options.proxy,
        "ssl_context": ssl_context(options),
    }


def make_policy(options: argparse.Namespace, *, is_repeatable: bool) -> Optional[ReconnectPolicy]:
    """Return how a connection is made again; None for not at all."""
    settings: dict[str, Any] = {}
    if options.retries is not None:
        settings["max_attempts"] = options.retries + 1
    if options.retry is not None:
        settings["reconnection_time"] = options.retry
    # Whoever says how to reconnect says that the request may be repeated.
    if not options.reconnect or not (is_repeatable or settings or options.patient):
        return None
    return ReconnectPolicy.patient(**settings) if options.patient else ReconnectPolicy(**settings)


def open_position(path: str) -> tuple[PositionFile, str]:
    """Return the file of ``-c``, and the position that it holds.

    Raises:
        ValueError: It cannot be used.
    """
    try:
        file = PositionFile(path)
        return file, file.read()
    except OSError as error:
        raise _wrong("-c/--continue", f"{_name_of(path)}: {error.strerror or error}") from None
    except ValueError:  # its text has the path, as the system resolves it
        raise _wrong("-c/--continue", f"{_name_of(path)} does not hold a last event ID") from None


def ssl_context(options: argparse.Namespace) -> Optional[ssl.SSLContext]:
    """Return what to check certificates with, and to show one's own; None for the usual.

    Raises:
        ValueError: A file cannot be read, or is no such file.
    """
    if options.cacert is None and options.cert is None and not options.insecure:
        return None
    if options.cacert is not None:
        context = _trust_in(options.cacert)
    elif options.insecure:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context = system_context() or ssl.create_default_context()
    if options.cert is not None:
        _show(context, options.cert, options.key)
    return context


# Body and headers -----------------------------------------------------------------------


def _body(options: argparse.Namespace) -> tuple[Optional[bytes], Optional[str]]:
    if options.data:
        return _given("-d/--data", options.data[0]), None
    if not options.json_data:
        return None, None
    body = _given("--json-data", options.json_data[0])
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        raise _wrong("--json-data", "this is not JSON") from None
    return body, "application/json"


def _given_headers(options: argparse.Namespace) -> list[tuple[str, str]]:
    return [header for text in options.headers for header in _headers(text)]


def _headers(text: str) -> Iterator[tuple[str, str]]:
    if not text.startswith("@"):
        yield _header("", text)
        return
    try:
        lines = _contents("-H/--header", text[1:]).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise _wrong("-H/--header", f"{_name_of(text[1:])} is not UTF-8") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _header(f"line {number} of {_name_of(text[1:])}: ", line.rstrip("\r"))


def _header(place: str, line: str) -> tuple[str, str]:
    # Neither name nor value is shown: either may be the token that was meant to be the value.
    name, colon, value = line.partition(":")
    if not colon:
        raise _wrong("-H/--header", f"{place}expected 'Name: value', and there is no colon")
    if not _NAME.fullmatch(name):
        raise _wrong("-H/--header", f"{place}expected 'Name: value'; a name has letters, digits and -, and no blanks")
    value = value.strip(" \t")
    if re.search(r"[\r\n\0]", value):
        raise _wrong("-H/--header", f"{place}a value cannot have a CR, LF or NUL in it")
    if name.lower() == "last-event-id":
        raise _wrong("-H/--header", f"{place}Last-Event-ID is for --last-event-id, from where it moves on")
    return name, value


def _authorized(
    headers: list[tuple[str, str]], options: argparse.Namespace, environ: Mapping[str, str]
) -> list[tuple[str, str]]:
    given = any(name.lower() == "authorization" for name, _ in headers)
    if options.user is not None:
        if given:
            raise _wrong("-u/--user", "there is an Authorization header beside it")
        return [*headers, ("Authorization", _basic(options.user))]
    token = environ.get(TOKEN, "")
    if given or not token or urlsplit(options.url).username is not None:
        return headers
    if re.search(r"[\r\n\0]", token):
        raise ValueError(f"{TOKEN} in the environment cannot have a CR, LF or NUL in it")
    return [*headers, ("Authorization", token)]


def _basic(user: str) -> str:
    name, colon, password = user.partition(":")
    if not colon:
        password = _asked_for(name)
    credential = os.fsencode(name) + b":" + os.fsencode(password)
    return "Basic " + base64.b64encode(credential).decode("ascii")


def _asked_for(name: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would be seen by whoever looks on
            return getpass.getpass(f"Password for {name}: ")
    except (EOFError, OSError, getpass.GetPassWarning):
        raise _wrong("-u/--user", "there is no terminal to ask for the password at; give USER:PASSWORD") from None


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    # One header given more than once is one list (RFC 9110, section 5.3).
    joined: dict[str, str] = {}
    names: dict[str, str] = {}
    for given, value in headers:
        name = names.setdefault(given.lower(), given)
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


# TLS ------------------------------------------------------------------------------------


def _trust_in(path: str) -> ssl.SSLContext:
    if not path:
        raise _wrong("--cacert", "expected the name of a file")  # OpenSSL would take the system's authorities
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise _wrong("--cacert", f"there is no certificate in {_name_of(path)}, or none in PEM format") from None
    except OSError as error:
        raise _unreadable("--cacert", path, error) from None


def _show(context: ssl.SSLContext, certificate: str, key: Optional[str]) -> None:
    for option, path in (("--cert", certificate), ("--key", key)):
        if path is not None:
            _contents(option, path)  # OpenSSL does not say which of the two it is
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError:
        missing = "" if key else "; the key may be in a file of its own, which --key names"
        raise _wrong("--cert", f"these are not a certificate and its key, in PEM format{missing}") from None


# Files ----------------------------------------------------------------------------------


def _given(option: str, text: str) -> bytes:
    # An argument is the very bytes that were given, whatever the locale.
    return _contents(option, text[1:]) if text.startswith("@") else os.fsencode(text)


def _contents(option: str, path: str) -> bytes:
    """Return what is in a file, or for ``-`` what comes from stdin. Blocks until its end."""
    try:
        if path != "-":
            with open(path, "rb") as file:
                return file.read()
        if sys.stdin is None:
            raise _wrong(option, "there is no stdin to read")
        return sys.stdin.buffer.read()
    except OSError as error:
        raise _unreadable(option, path, error) from None


def _unreadable(option: str, path: str, error: OSError) -> ValueError:
    return _wrong(option, f"cannot read {_name_of(path)}: {error.strerror or error}")


def _name_of(path: str) -> str:
    # What looks like a URL is one that was meant for another place.
    return "the file" if "://" in path else repr(path)


def _wrong(option: str, message: str) -> ValueError:
    return ValueError(f"argument {option}: {message}")
