from __future__ import annotations

import importlib
import inspect
import re
from typing import Any, Callable

import pytest

from sse_client._arguments import (
    MAX_WAIT,
    NotGiven,
    check_count,
    check_flag,
    check_last_event_id,
    check_number,
    check_size,
    check_statuses,
    check_timeout,
)
from sse_client.source import EventSource

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("check", "value", "result"),
    [
        (check_last_event_id, "", ""),
        (check_last_event_id, "✓ 7", "✓ 7"),
        (lambda value: check_size("size", value), 1, 1),
        (lambda value: check_count("count", value), None, None),
        (lambda value: check_count("count", value), 3, 3),
        (lambda value: check_flag("flag", value), False, False),
        (lambda value: check_number("delay", value, least=0), 0, 0.0),
        (lambda value: check_timeout("limit", value), None, None),
        (lambda value: check_timeout("limit", value), 2, 2.0),
        (lambda value: check_timeout("limit", value), 1e300, MAX_WAIT),
        (lambda value: check_number("delay", value, least=0), 1e300, 1e300),
        (lambda value: check_statuses("statuses", value), [500, 503, 500], frozenset({500, 503})),
    ],
)
def test_right_values(check: Callable[[Any], object], value: object, result: object) -> None:
    """A right value comes back as the type that the package works with."""
    checked = check(value)
    assert checked == result
    assert type(checked) is type(result)


@pytest.mark.parametrize(
    ("check", "value", "error", "message"),
    [
        (check_last_event_id, 7, TypeError, "last_event_id must be a str, not int"),
        (check_last_event_id, "a\nb", ValueError, "last_event_id must not contain CR, LF or NUL"),
        (check_last_event_id, "a\rb", ValueError, "last_event_id must not contain CR, LF or NUL"),
        (check_last_event_id, "a\0b", ValueError, "last_event_id must not contain CR, LF or NUL"),
        (check_last_event_id, "\ud800", ValueError, "last_event_id must be encodable as UTF-8"),
        (lambda v: check_size("size", v), 1.5, TypeError, "size must be an int (bytes), not float"),
        (lambda v: check_size("size", v), True, TypeError, "size must be an int (bytes), not bool"),
        (lambda v: check_size("size", v), 0, ValueError, "size must be at least 1 byte, not 0"),
        (lambda v: check_count("count", v), "3", TypeError, "count must be an int or None, not str"),
        (lambda v: check_count("count", v), 0, ValueError, "count must be at least 1, or None for no limit, not 0"),
        (lambda v: check_flag("flag", v), 1, TypeError, "flag must be True or False, not int"),
        (lambda v: check_number("delay", v, least=0), "3", TypeError, "delay must be a number (seconds), not str"),
        (lambda v: check_number("delay", v, least=0), True, TypeError, "delay must be a number (seconds), not bool"),
        (lambda v: check_number("delay", v, least=0), 10**400, ValueError, "delay must be a finite number of seconds"),
        (lambda v: check_timeout("limit", v), 10**400, ValueError, "limit must be a finite number of seconds"),
        (lambda v: check_number("delay", v, least=0), NAN, ValueError, "delay must be a finite number of seconds"),
        (lambda v: check_number("delay", v, least=0), INFINITY, ValueError, "at least 0, not inf"),
        (lambda v: check_number("delay", v, least=0), -1, ValueError, "at least 0, not -1"),
        (lambda v: check_timeout("limit", v), "3", TypeError, "limit must be a number (seconds) or None, not str"),
        (lambda v: check_timeout("limit", v), 0, ValueError, "limit must be a finite number of seconds above 0"),
        (lambda v: check_timeout("limit", v), NAN, ValueError, "limit must be a finite number of seconds above 0"),
        (lambda v: check_statuses("statuses", v), 503, TypeError, "statuses must be an iterable of status codes"),
        (lambda v: check_statuses("statuses", v), ["503"], ValueError, "status codes from 100 to 599, not '503'"),
        (lambda v: check_statuses("statuses", v), [99], ValueError, "status codes from 100 to 599, not 99"),
    ],
)
def test_wrong_values(check: Callable[[Any], object], value: object, error: type[Exception], message: str) -> None:
    """A wrong value raises an error that names the argument, what was given and what is expected."""
    with pytest.raises(error, match=re.escape(message)):
        check(value)


def test_an_argument_that_was_not_given() -> None:
    """What stands for it shows as its text and nothing else, as in help()."""
    assert repr(NotGiven("<by method>")) == "<by method>"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"timeout": 5}, "timeout: pass connect_timeout=, response_timeout= or idle_timeout="),
        ({"auth": ("me", "pw")}, "auth: pass headers="),
        ({"params": {"a": "b"}}, r"params: .*urlencode\(params\)"),
        ({"data": b"x"}, "data: pass body= or json="),
        ({"verify": False}, "verify: pass ssl_context="),
        ({"cookies": {}}, "cookies: pass headers="),
        ({"stream": True}, "stream: the body is always streamed"),
        ({"session": None}, "session: pass RequestsConnector"),
        ({"timeuot": 5}, "unexpected keyword argument 'timeuot'"),
    ],
)
def test_arguments_of_requests_are_refused_with_the_name_of_ours(arguments: Any, words: str) -> None:
    """Whoever comes from requests is told at the call what to pass."""
    with pytest.raises(TypeError, match=words):
        EventSource("http://x/", **arguments)


def test_every_argument_of_requests_is_known() -> None:
    """No argument of a session's request() is refused without a word on what to pass."""
    requests = pytest.importorskip("requests")
    bridge = importlib.import_module("sse_client.requests_bridge")
    theirs = set(inspect.signature(requests.Session.request).parameters) - {"self", "method", "url", "headers", "json"}
    for name in theirs:
        with pytest.raises(TypeError, match=rf"^RequestsConnector has no argument {name}: "):
            bridge.RequestsConnector(requests.Session(), "http://x/", **{name: None})
    for name in theirs - {"hooks"}:
        with pytest.raises(TypeError, match=rf"^EventSource has no argument {name}: "):
            EventSource("http://x/", **{name: None})


def test_the_signature_stays_as_it_is_written() -> None:
    """help() shows the parameters one by one, with their defaults, and no ``**kwargs``."""
    parameters = inspect.signature(EventSource).parameters
    assert [it for it in parameters.values() if it.kind in (it.VAR_KEYWORD, it.VAR_POSITIONAL)] == []
    assert parameters["connect_timeout"].default == 10.0
    assert "timeout" not in parameters
