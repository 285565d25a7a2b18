"""Each example program does what its first lines say, run as a user runs it."""

from __future__ import annotations

import json
import random
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sse_client.testing import EventStreamServer, Exchange, Step, comment, drop, event, hold, retry
from tests.integration.support import TIMEOUT
from tests.integration.websocket_server import WebSocketServer, sends

from .support import HERE, ended, program


def test_a_script_prints_events_until_the_server_says_stop(server: EventStreamServer) -> None:
    """The script prints each event, and ends without an error at a 204."""
    server.stream(event("1"), event("two words", type="greeting"), retry(0.1))
    with program("script.py", server.url) as running:
        assert ended(running) == 0
        assert running.lines[:2] == ["message 1", "greeting two words"]


def test_a_script_says_what_is_wrong_with_the_url(server: EventStreamServer) -> None:
    """A page that is not an event stream ends the script with one line and not with a traceback."""
    server.respond(404, b"no")
    with program("script.py", server.url) as running:
        assert ended(running) == 1
        assert len(running.lines) == 2
        assert "404" in running.lines[0]


def test_the_log_tail_goes_on_where_it_has_stopped(server: EventStreamServer, tmp_path: Path) -> None:
    """A second run asks for what follows the last line that the first one has printed."""
    position = tmp_path / "position"
    server.stream(event("first line", id="1"), event("second line", id="2"), hold())
    with program("log_tail.py", server.url, str(position)) as running:
        running.wait_for("second line")
        while not position.exists() or position.read_text() != "2":
            threading.Event().wait(0.01)
        running.interrupt()
        assert ended(running) == 0
        assert running.lines == ["first line", "second line", "(end of output)"]
    server.stream(event("third line", id="3"), retry(0.1))
    with program("log_tail.py", server.url, str(position)) as running:
        assert ended(running) == 0
        assert running.lines[0] == "third line"
    assert server.requests[1].headers["Last-Event-ID"] == "2"


def test_the_log_tail_misses_nothing_when_it_is_killed(server: EventStreamServer, tmp_path: Path) -> None:
    """Killed with -9 a dozen times: each run begins with the line after the last one, or with that one again."""
    chance = random.Random(2)
    server.serve_log(100_000)  # more than can be read before the kills
    last = 0
    for _ in range(12):
        with program("log_tail.py", server.url, str(tmp_path / "position")) as running:
            running.wait_for("", 1 + chance.randrange(150))
            running.process.kill()
            assert ended(running) != 0
            numbers = [int(line) for line in running.lines[:-1]]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert numbers[0] in ((last, last + 1) if last else (1,))
        last = numbers[-1]


@pytest.mark.parametrize(("status", "code"), [("passed", 0), ("failed", 1)])
def test_the_build_status_ends_with_the_result(status: str, code: int, server: EventStreamServer) -> None:
    """The steps are shown over a lost connection, and the exit code is the build's."""
    server.stream(retry(0.1), event('{"name": "compile"}', type="step", id="1"))
    server.stream(
        event('{"name": "test"}', type="step", id="2"), event(json.dumps({"status": status}), type="finished"), hold()
    )
    with program("build_status.py", server.url) as running:
        assert ended(running) == code
        assert running.lines == [
            "... compile",
            "the server ended the stream; again in 0 s",
            "... test",
            f"build {status}",
            "(end of output)",
        ]


def test_the_answer_of_a_language_model_is_printed_token_by_token(server: EventStreamServer) -> None:
    """One POST with the prompt; tokens are printed as they come; [DONE] ends it."""
    go_on = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.send_head()
        for token in ("Hel\n", "lo."):
            exchange.run(event(json.dumps({"choices": [{"delta": {"content": token}}]})))
            exchange.wait_for(go_on)
        exchange.run(event("[DONE]"), hold())

    server.reply(answer)
    with program("llm_tokens.py", server.url, "Say hello", API_KEY="k") as running:
        running.wait_for("Hel")
        go_on.set()
        assert ended(running) == 0
        assert running.lines == ["Hel", "lo.", "(end of output)"]
    (request,) = server.requests
    assert (request.method, request.headers["Authorization"]) == ("POST", "Bearer k")
    assert json.loads(request.body)["messages"][0]["content"] == "Say hello"


def chunk(content: object) -> Step:
    """One event of a language model's answer."""
    return event(json.dumps({"choices": [{"delta": {"content": content}}]}))


@pytest.mark.parametrize(
    ("rest", "output"),
    [
        ([event('{"choices": [], "usage": {"total_tokens": 7}}'), chunk(None), event("[DONE]")], ["Hello"]),
        ([event(""), comment("still thinking"), event("[DONE]")], ["Hello"]),
        ([event('{"error": {"message": "overloaded"}}'), hold()], ["Hello", "{'message': 'overloaded'}"]),
        ([], ["Hello", "the answer ends before [DONE]"]),
        ([drop()], ["Hello", "the stream was cut off"]),
    ],
)
def test_the_answer_of_a_language_model_may_be_odd_or_cut_off(
    rest: list[Step], output: list[str], server: EventStreamServer
) -> None:
    """Empty parts are no trouble; an error, an early end and a loss are shown; the question is sent once."""
    server.stream(chunk("Hello"), *rest)
    with program("llm_tokens.py", server.url, "Say hello") as running:
        assert ended(running) == (0 if len(output) == 1 else 1)
        assert len(running.lines) == len(output) + 1
        assert all(line.startswith(text) for line, text in zip(running.lines, output)), running.lines
    assert len(server.requests) == 1


def test_a_refusal_of_the_question_is_shown_with_its_text(server: EventStreamServer) -> None:
    """What the server says about a question that it does not answer is printed."""
    server.respond(401, b'{"error": "no such key"}', headers={"Content-Type": "application/json"})
    with program("llm_tokens.py", server.url, "Say hello") as running:
        assert ended(running) == 1
        assert running.lines[0].startswith("the server answered 401")
        assert running.lines[0].endswith('{"error": "no such key"}')


def delta(text: str) -> Step:
    """One event of an answer in Anthropic's dialect."""
    return event(json.dumps({"delta": {"type": "text_delta", "text": text}}), type="content_block_delta")


OVERLOADED = event('{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}', type="error")


@pytest.mark.parametrize(
    ("rest", "output"),
    [
        ([event('{"type": "ping"}', type="ping"), delta("."), event("{}", type="message_stop"), hold()], ["Hello."]),
        ([OVERLOADED, hold()], ["Hello", "Overloaded"]),
        ([], ["Hello", "the answer ends before message_stop"]),
        ([drop()], ["Hello", "the stream was cut off"]),
    ],
)
def test_the_answer_of_another_dialect(rest: list[Step], output: list[str], server: EventStreamServer) -> None:
    """Overload (529) is waited for until the answer begins; pings are skipped; an error in the stream is shown."""
    server.respond(529, b"overloaded", headers={"Retry-After": "0.1"})
    server.stream(event('{"message": {}}', type="message_start"), delta("Hello"), *rest)
    with program("llm_tokens_anthropic.py", server.url, "Say hello", API_KEY="k") as running:
        assert ended(running) == (0 if len(output) == 1 else 1)
    shown = [line for line in running.lines if "529" not in line]
    assert len(shown) == len(output) + 1
    assert all(line.startswith(text) for line, text in zip(shown, output)), shown
    assert [request.headers["x-api-key"] for request in server.requests] == ["k", "k"]


FLASK = """
import sys, threading
import werkzeug.serving
from settings_cache_flask import create_app
application = create_app(sys.argv[1])
application.extensions["settings"].follow()
server = werkzeug.serving.make_server("127.0.0.1", 0, application, threaded=True)
print("port", server.port, flush=True)
server.serve_forever()
"""


def test_the_web_service_answers_from_a_cache_that_is_kept_fresh(server: EventStreamServer) -> None:
    """Changes on the stream are seen by the next request; the cache outlives the loss of the stream."""
    pytest.importorskip("flask", reason="needs the package flask")
    steps = [threading.Event() for _ in range(2)]

    def stream(exchange: Exchange) -> None:
        exchange.send_head()
        exchange.run(event('{"name": "colour", "value": "red"}', type="set"))
        exchange.wait_for(steps[0])
        exchange.run(event('{"name": "colour", "value": "blue"}', type="set"))
        exchange.wait_for(steps[1])

    server.reply(stream)
    server.silence()
    with program("-c", FLASK, server.url) as running:
        running.wait_for("port")
        url = "http://127.0.0.1:" + next(line for line in running.lines if line.startswith("port")).split()[1]

        def wait_for(path: str, wanted: Any) -> None:
            answer = None
            for _ in range(500):
                try:
                    with urllib.request.urlopen(url + path, timeout=TIMEOUT) as response:
                        answer = json.load(response)
                except urllib.error.HTTPError as error:
                    error.close()
                if answer == wanted:
                    return
                threading.Event().wait(0.02)
            raise AssertionError(f"{path} is {answer}, not {wanted}")

        wait_for("/settings/colour", {"value": "red", "fresh": True})
        steps[0].set()
        wait_for("/settings/colour", {"value": "blue", "fresh": True})
        steps[1].set()
        wait_for("/settings/colour", {"value": "blue", "fresh": False})
        wait_for("/health", {"alive": True, "fresh": False})


def test_news_come_by_the_way_that_is_open(server: EventStreamServer) -> None:
    """News come over the WebSocket, and where it is blocked, over the event stream; which way is printed first."""
    news = ({"id": "1", "text": "one"}, {"heartbeat": True}, {"id": "2", "text": "two"})
    with ExitStack() as stack:
        there = stack.enter_context(WebSocketServer(sends(*map(json.dumps, news))))
        running = stack.enter_context(program("websocket_fallback.py", server.url, there.url))
        running.wait_for("2 two")
    assert running.lines[:3] == [
        f"using {there.url}: the WebSocket is open, and a frame has come through",
        "1 one",
        "2 two",
    ]
    assert server.requests == []
    server.stream(event("three", id="3"))
    with EventStreamServer() as other:
        other.respond(404)
        blocked = other.url.replace("http", "ws")
        with program("websocket_fallback.py", server.url, blocked) as running:
            assert ended(running) == 0
    reason = f"the server answered the WebSocket handshake with 404 Not Found ({blocked})"
    assert running.lines[:2] == [f"using {server.url}: no WebSocket: {reason}", "3 three"]


NO_PROGRAMS = ("__init__", "test_", "conftest", "support", "gunicorn_conf", "qt_event_stream", "pictures")
PROGRAMS = sorted(path for path in HERE.glob("*.py") if not path.name.startswith(NO_PROGRAMS))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda it: it.stem)
def test_an_example_is_short_and_says_how_to_run_it(path: Path) -> None:
    """Every program has some sixty lines at most that are not blank, and begins by saying what it does."""
    text = path.read_text(encoding="utf-8")
    assert f"python {path.name} URL" in text.split('"""')[1]
    assert len([line for line in text.splitlines() if line.strip()]) <= 65
