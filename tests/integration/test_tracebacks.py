"""What a program prints that lets an error end it: what happened, and no more of how than helps."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from sse_client import ConnectionLost, EventSource
from sse_client.testing import EventStreamServer, drop, event


@pytest.mark.parametrize("library", ["urllib3", "requests"])
@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_stream_that_is_cut(server: EventStreamServer, library: str, framing: Any) -> None:
    """Above the error stands what was wrong with the framing, and nothing of the errors that led there."""
    server.stream(event("a"), drop(), framing=framing)
    url: Any = server.url
    if library == "requests":
        requests = pytest.importorskip("requests")
        bridge = pytest.importorskip("sse_client.requests_bridge")
        session = requests.Session()
        url = bridge.RequestsConnector(session, url)
    with EventSource(url, reconnect=None) as source, pytest.raises(ConnectionLost) as raised:
        list(source)
    shown = "".join(traceback.format_exception(raised.type, raised.value, raised.tb))
    assert shown.count("The above exception was the direct cause of the following exception") == 1
    assert "During handling of the above exception" not in shown
    assert shown.startswith("http.client.IncompleteRead")
    if library == "requests":
        session.close()
