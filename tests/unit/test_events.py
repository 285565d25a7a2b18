from __future__ import annotations

import copy
import json
import pickle

import pytest

from sse_client.errors import ConnectionLost
from sse_client.events import CommentEvent, ErrorEvent, MessageEvent, OpenEvent, ReadyState


def test_defaults_of_message_event() -> None:
    """A MessageEvent has the type "message" and empty fields unless told otherwise."""
    event = MessageEvent()
    assert (event.type, event.data, event.last_event_id, event.origin) == ("message", "", "", "")


def test_json() -> None:
    """json() decodes the data."""
    assert MessageEvent(data='{"price": [1, 2.5, null]}').json() == {"price": [1, 2.5, None]}


def test_json_of_something_else() -> None:
    """json() of data that is not JSON raises a ValueError, as json.loads does."""
    with pytest.raises(json.JSONDecodeError):
        MessageEvent(data="[DONE]").json()


def test_message_event_has_no_dict() -> None:
    """A MessageEvent takes no attributes beyond its fields: a misspelt one is an error."""
    with pytest.raises(AttributeError):
        MessageEvent().lastEventId = "1"  # type: ignore[attr-defined]


ERROR = ConnectionLost("reset", url="http://127.0.0.1/")
EACH = [
    MessageEvent("a", "b", "c", "d"),
    OpenEvent("http://127.0.0.1/", {"server": "x"}),
    ErrorEvent(ERROR, 3.0, 0),
    CommentEvent(" ping"),
]


@pytest.mark.parametrize("event", EACH, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(event: object, protocol: int) -> None:
    """Every event survives pickling, by every protocol."""
    assert repr(pickle.loads(pickle.dumps(event, protocol))) == repr(event)


@pytest.mark.parametrize("event", EACH, ids=lambda event: type(event).__name__)
def test_equality(event: object) -> None:
    """Events are equal if they are of the same class and have equal fields; then so are their hashes."""
    again = copy.copy(event)
    assert again == event
    assert len({again, event}) == 1
    assert [event == other for other in EACH].count(True) == 1


def test_inequality() -> None:
    """Events that differ in one field are different."""
    assert MessageEvent("a", "b", "c", "d") != MessageEvent("a", "b", "c", "")
    assert OpenEvent("u", {"a": "1"}) != OpenEvent("u", {"a": "2"})
    assert MessageEvent("a", "b", "c", "d") != ("a", "b", "c", "d")


def test_repr() -> None:
    """An event prints as the call that makes it."""
    event = MessageEvent("a", "it's", "c", "d")
    assert repr(event) == """MessageEvent(type='a', data="it's", last_event_id='c', origin='d')"""
    assert eval(repr(event)) == event


def test_headers_are_not_shown() -> None:
    """The headers of an OpenEvent, which may hold cookies, are not in its repr."""
    assert repr(OpenEvent("http://a/", {"set-cookie": "s3cret"})) == "OpenEvent(url='http://a/')"


def test_ready_states() -> None:
    """The ready states have the numbers of the standard."""
    assert [(state.name, int(state)) for state in ReadyState] == [("CONNECTING", 0), ("OPEN", 1), ("CLOSED", 2)]
    assert [str(state) for state in ReadyState] == ["CONNECTING", "OPEN", "CLOSED"]
    assert [f"{state:>6}" for state in ReadyState] == ["CONNECTING", "  OPEN", "CLOSED"]
