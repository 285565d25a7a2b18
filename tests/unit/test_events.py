from __future__ import annotations

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


@pytest.mark.parametrize(
    "event",
    [
        MessageEvent("a", "b", "c", "d"),
        OpenEvent("http://127.0.0.1/", {"server": "x"}),
        ErrorEvent(ConnectionLost("reset", url="http://127.0.0.1/"), 3.0, 0),
        CommentEvent(" ping"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_pickle(event: object) -> None:
    """Every event survives pickling."""
    again = pickle.loads(pickle.dumps(event))
    assert repr(again) == repr(event)


def test_equality() -> None:
    """Events compare by their fields."""
    assert MessageEvent("a", "b", "c", "d") == MessageEvent("a", "b", "c", "d")
    assert MessageEvent("a", "b", "c", "d") != MessageEvent("a", "b", "c", "")
    assert OpenEvent("u", {"a": "1"}) == OpenEvent("u", {"a": "1"})
    assert len({OpenEvent("u", {"a": "1"}), OpenEvent("u", {"a": "1"})}) == 1


def test_headers_are_not_shown() -> None:
    """The headers of an OpenEvent, which may hold cookies, are not in its repr."""
    assert repr(OpenEvent("http://a/", {"set-cookie": "s3cret"})) == "OpenEvent(url='http://a/')"


def test_ready_states() -> None:
    """The ready states have the numbers of the standard."""
    assert [(state.name, int(state)) for state in ReadyState] == [("CONNECTING", 0), ("OPEN", 1), ("CLOSED", 2)]
