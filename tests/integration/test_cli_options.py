"""Each option of the ``sse-client`` command in a child process: choosing, showing, asking, how long it lives."""

from __future__ import annotations

import json
import os
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from sse_client.testing import EventStreamServer, comment, drop, event, hold, raw, retry

from .command import COMMAND, command, environment, run, run_on_terminal, serve
from .proxy_server import HTTPProxy
from .support import TIMEOUT

needs_terminal = pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

MIXED = (
    event("1", type="price", id="1"),
    event("2"),
    comment(" hi"),
    event("3", type="trade"),
    event("4", type="price"),
)


def out_of(*arguments: str, code: int = 0, **options: Any) -> str:
    """What the command prints to stdout, when its exit code is this one."""
    result = run(*arguments, **options)
    assert result[0] == code, result
    return result[1]


# Which events


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "1 2 3 4"),
        (["-e", "price"], "1 4"),
        (["-e", "price", "--event", "trade"], "1 3 4"),
        (["-e", "message"], "2"),
        (["--exclude", "price"], "2 3"),
        (["--exclude", "price", "--exclude", "message"], "3"),
        (["-e", "price", "--limit", "1"], "1"),
        (["--limit", "3"], "1 2 3"),
        (["--until", "3"], "1 2"),
        (["-e", "price", "--until", "3"], "1"),  # the end is often of a type of its own
        (["--until", "1"], ""),
        (["--comments"], "1 2 : hi 3 4"),
    ],
)
def test_which_events_are_shown(server: EventStreamServer, arguments: list[str], expected: str) -> None:
    """-e, --exclude, --limit, --until and --comments choose, and the code is 0."""
    server.stream(*MIXED)
    assert out_of("--no-reconnect", *arguments, server.url).split() == expected.split()


def test_max_time_is_code_124(server: EventStreamServer) -> None:
    """When --max-time is up the command ends with 124, in the middle of silence, connected or not."""
    server.stream(event("1"), hold())
    code, out, err = run("--max-time", "0.5", server.url)
    assert (code, out) == (124, "1\n")
    assert err.splitlines() == [f"connected to {server.url}", "stopped after 0.5 s (--max-time)"]
    server.silence()
    assert run("--max-time", "0.3", server.url)[0] == 124


@posix
def test_max_time_holds_against_a_reader_who_does_not_read(server: EventStreamServer) -> None:
    """When the output is stuck because nobody reads it, --max-time ends the command all the same."""
    server.handler = lambda exchange: exchange.run(*[event("x" * 1000)] * 100_000)
    reading, writing = os.pipe()
    try:
        with command("--max-time", "0.5", server.url, stdout=writing) as running:
            os.close(writing)
            assert running.end() == 124
    finally:
        os.close(reading)


def test_idle_exit_ends_a_backlog(server: EventStreamServer) -> None:
    """When no event has come for --idle-exit, comments aside, that is the end, with code 0."""
    server.stream(event("1"), event("2"), comment("beat"), hold())
    code, out, err = run("--idle-exit", "0.4", server.url)
    assert (code, out) == (0, "1\n2\n")
    assert err.splitlines()[-1] == "stopped: no event for 0.4 s (--idle-exit)"


def test_idle_exit_without_a_connection_is_a_failure(server: EventStreamServer) -> None:
    """When --idle-exit is up while the server is away, that is no end that was asked for: code 1."""
    server.stream(retry(60.0), event("1"), drop())
    code, out, err = run("--idle-exit", "0.4", server.url)
    assert (code, out) == (1, "1\n")
    assert "sse-client: the stream was cut off" in err


@posix
def test_idle_exit_does_not_count_the_time_of_a_slow_reader(server: EventStreamServer) -> None:
    """A reader who pauses for longer than --idle-exit does not end the command."""
    server.stream(*[event("x" * 1000)] * 1000, event("last"), hold())
    reading, writing = os.pipe()
    with command("--idle-exit", "0.3", server.url, stdout=writing) as running, open(reading, "rb") as pipe:
        os.close(writing)
        running.wait_for("err", "connected")
        threading.Event().wait(0.8)  # the pause is what is tested
        assert pipe.read().endswith(b"\nlast\n")
        assert running.end() == 0


# How they are shown


def test_json_stays_json(server: EventStreamServer) -> None:
    """--json has JSON data as JSON, other data as text; both spellings are one."""
    server.stream(event('{"price": 1.10}', type="price", id="7"), event("[DONE]"))
    server.stream(event("1.50"))
    lines = out_of("--json", "--no-reconnect", server.url).splitlines()
    assert lines[0].startswith('{"type": "price", "data": {"price": 1.10}, "last_event_id": "7", "origin": "http://')
    assert json.loads(lines[1])["data"] == "[DONE]"
    assert '"data": 1.50' in out_of("-o", "json", "--no-reconnect", server.url)


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_raw_is_the_bytes_as_they_came(server: EventStreamServer, encoding: Any, tmp_path: Path) -> None:
    """-o raw prints every byte of the body, unpacked, over all connections; the file can be followed again."""
    first, second = b"\xef\xbb\xbf:hi\r\nretry:1\rdata: \xff\x00\n\n", b"id: 1\ndata: more\n\ndata: cut"
    server.stream(raw(first), encoding=encoding)
    server.stream(raw(second), encoding=encoding)
    path = tmp_path / "dump.sse"
    with path.open("wb") as file, command("-o", "raw", server.url, stdout=file.fileno()) as running:
        assert running.end() == 0
    assert path.read_bytes() == first + second
    assert out_of(str(path)) == "\ufffd\0\nmore\n"


def test_raw_ends_where_it_should(server: EventStreamServer) -> None:
    """With -o raw, --limit and --until end it too."""
    server.stream(event("1"), event("2"), hold())
    server.stream(event("1"), event("2"), hold())
    assert out_of("-o", "raw", "--limit", "1", server.url).startswith("data: 1\n\n")
    assert out_of("-o", "raw", "--until", "2", server.url).startswith("data: 1\n\n")


def test_the_text_of_a_model_in_one_pipe(server: EventStreamServer, tmp_path: Path) -> None:
    """--field and --until make an answer of its pieces; the question is JSON, the token is the environment's."""
    question = tmp_path / "question.json"
    question.write_text('{"stream": true}', encoding="utf-8")
    pieces = [{"role": "assistant"}, {"content": "Hello"}, {"content": ",\nworld"}, {"content": None}, {"content": "!"}]
    server.stream(*(event(json.dumps({"choices": [{"delta": piece}]})) for piece in pieces), event("[DONE]"), hold())
    code, out, err = run(
        *("--field", "choices.0.delta.content", "--until", "[DONE]", "--json-data", f"@{question}", server.url),
        env=environment(SSE_AUTHORIZATION="Bearer s3cret"),
    )
    assert (code, out) == (0, "Hello,\nworld!")
    assert err == f"connected to {server.url}\n"
    (request,) = server.requests
    assert (request.method, request.body) == ("POST", b'{"stream": true}')
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Authorization"] == "Bearer s3cret"


def test_times(server: EventStreamServer) -> None:
    """--timestamps says when each event arrived, in every form."""
    for _ in range(3):
        server.stream(event("1"))
    stamp = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    arguments = ("--timestamps", "--no-reconnect", server.url)
    assert re.fullmatch(rf"{stamp} 1\n", out_of(*arguments))
    assert re.fullmatch(rf'{{"time": "{stamp}", "type": .*}}\n', out_of("--json", *arguments))
    assert re.fullmatch(rf"{stamp}  message  1\n", out_of("-o", "pretty", *arguments))


def test_quiet_leaves_errors(server: EventStreamServer) -> None:
    """-q tells no states; why it failed is told, and --summary was asked for."""
    server.stream(event("1"), drop())
    server.respond(404, b"no")
    assert (
        run("-q", "--retry", "0.01", server.url)[2]
        == f"sse-client: the server answered 404 Not Found ({server.url})\nno\n"
    )
    server.stream(event("1"))
    err = run("-q", "--summary", "--no-reconnect", server.url)[2]
    assert re.fullmatch(r"events 1, bytes 9, connections 1, first event after \d+\.\d\d s\n", err)


def test_verbose_tells_each_fact_once(server: EventStreamServer) -> None:
    """-v has the log and the response's headers, and no state beside the log line that says the same."""
    server.stream(event("1"), drop(), headers={"X-Note": "hello", "Set-Cookie": "a=s3cret"})
    server.stream(event("2"), headers={"X-Note": "again"})
    _, out, err = run("-v", "--retry", "0.01", server.url)
    assert out == "1\n2\n"
    assert err.count("cut off") == err.count("x-note: hello\n") == err.count("x-note: again\n") == 1
    assert err.count(f"open: {server.url}") == 2
    assert "connected to" not in err
    assert "set-cookie: ...\n" in err
    assert "s3cret" not in err


def test_the_summary(server: EventStreamServer) -> None:
    """--summary counts what came and what of it was shown, over all connections, whatever the end."""
    server.stream(event("1"), event("2", type="x"), drop())
    server.stream(event("3"))
    err = run("--summary", "-e", "message", "--retry", "0.01", server.url)[2].splitlines()[-1]
    pattern = r"events 3 \(2 shown\), bytes 36, connections 2, first event after \d+\.\d\d s, then \d+\.\d events/s"
    assert re.fullmatch(pattern, err)
    server.respond(404)
    assert "events 0, bytes 0, connections 0\n" in run("--summary", server.url)[2]


@needs_terminal
def test_pretty_on_a_terminal(server: EventStreamServer) -> None:
    """On a terminal an event has its time, type and ID, its JSON in colours, and heartbeats are dimmed."""
    server.stream(comment(" beat"), event('{"price": 1.50, "name": "Zürich"}', type="price", id="7"))
    code, shown = run_on_terminal("--no-reconnect", "-q", server.url)
    assert code == 0
    beat, line = shown.splitlines()
    assert re.fullmatch(r"\x1b\[2m\d\d:\d\d:\d\d\.\d{3}  : beat\x1b\[0m", beat)
    assert re.fullmatch(
        r"\x1b\[2m\d\d:\d\d:\d\d\.\d{3}\x1b\[0m  \x1b\[1mprice\x1b\[0m  \x1b\[2m7\x1b\[0m  "
        r'\{\x1b\[36m"price"\x1b\[0m: \x1b\[33m1\.50\x1b\[0m, \x1b\[36m"name"\x1b\[0m: \x1b\[32m"Zürich"\x1b\[0m\}',
        line,
    )


@needs_terminal
def test_text_in_pieces_on_a_terminal_ends_its_line(server: EventStreamServer) -> None:
    """What is told after a text without a line end begins a line of its own, and so does the shell's prompt."""
    server.stream(event('{"t": "a "}'), event('{"t": "b"}'))
    server.stream(event('{"t": "c"}'), event("end"), hold())
    _, shown = run_on_terminal("--no-color", "--field", "t", "--until", "end", "--retry", "0.01", server.url)
    ended, connected = "disconnected: the server ended the stream; again in 0.0 s", f"connected to {server.url}"
    assert shown == f"{connected}\na b\n{ended}\n{connected}\nc\n"


# What is asked


@pytest.mark.parametrize("given", ["whole", "asked"])
def test_a_login(server: EventStreamServer, given: str) -> None:
    """-u logs in, and asks for the password that is not given, without showing it."""
    if given == "whole":
        assert run("-u", "me:word", server.url)[0] == 0
    else:
        if not hasattr(os, "openpty"):
            pytest.skip("there are no pseudo-terminals here")
        ours, theirs = os.openpty()
        # The shell is the leader of a session, so the terminal that it opens is the session's.
        line = ["sh", "-c", 'exec "$@" < "$0"', os.ttyname(theirs), *COMMAND, "-u", "me", server.url]
        process = subprocess.Popen(line, stderr=subprocess.PIPE, env=environment(), start_new_session=True)
        try:
            shown = b""
            while b"Password for me: " not in shown:
                shown += os.read(ours, 1000)
            os.write(ours, b"word\n")
            _, err = process.communicate(timeout=TIMEOUT)
            os.set_blocking(ours, False)
            shown += os.read(ours, 1000)
        finally:
            process.kill()
            process.wait()
            os.close(ours)
            os.close(theirs)
        assert process.returncode == 0, err
        assert b"word" not in shown.replace(b"Password", b"") + err
    assert server.requests[0].headers["Authorization"] == "Basic bWU6d29yZA=="


def test_without_a_terminal_no_password_is_asked_for(server: EventStreamServer) -> None:
    """Where there is no terminal, a missing password is wrong usage."""
    result = subprocess.run(
        [*COMMAND, "-u", "me", server.url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
        start_new_session=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert result.returncode == 2
    assert "there is no terminal to ask for the password at" in result.stderr
    assert server.requests == []


def test_through_a_proxy(server: EventStreamServer) -> None:
    """-x goes through a proxy, whatever the environment says."""
    server.stream(event("1"))
    with HTTPProxy() as proxy:
        assert out_of("-x", proxy.url, "--no-reconnect", server.url, env=environment(NO_PROXY="*")) == "1\n"
        assert len(proxy.asked) == 1


def test_no_certificate_is_checked_with_insecure(server_context: ssl.SSLContext) -> None:
    """-k believes any certificate, says so loudly even with -q, and nothing else warns."""
    with EventStreamServer(ssl_context=server_context) as server:
        server.stream(event("1"))
        code, out, err = run("-k", "-q", "--no-reconnect", server.url)
    assert (code, out) == (0, "1\n")
    assert err == (
        "sse-client: WARNING: -k: any certificate is accepted, so whoever is on the way can read everything, "
        "and answer instead\n"
    )


@pytest.mark.parametrize("apart", [False, True])
def test_a_certificate_of_ones_own(authority: trustme.CA, tmp_path: Path, apart: bool) -> None:
    """--cert and --key, in one file or two, show the server who is asking."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    mine = authority.issue_cert("me@example.com")
    mine.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    shown = ["--cert", f"{tmp_path}/both.pem"]
    if apart:
        shown = ["--cert", f"{tmp_path}/cert.pem", "--key", f"{tmp_path}/key.pem"]
    with EventStreamServer(ssl_context=context) as server:
        server.stream(event("1"))
        arguments = ["--cacert", f"{tmp_path}/authority.pem", "--no-reconnect", server.url]
        assert out_of(*shown, *arguments) == "1\n"


def test_idle_timeout_is_a_limit_of_silence(server: EventStreamServer) -> None:
    """--idle-timeout connects again after silence, before the head and after it."""
    server.silence()
    server.stream(event("1"), hold())
    server.stream(event("2"))
    code, out, err = run("--idle-timeout", "0.3", "--retry", "0.01", server.url)
    assert (code, out) == (0, "1\n2\n")
    assert "no response within" in err
    assert "no byte within idle_timeout=0.3 s" in err


def test_connect_timeout_is_a_limit_of_connecting() -> None:
    """--connect-timeout gives up a connection that is not made."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    with listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # they fill the queue of the listener
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(address)
            before = time.monotonic()
            code, _, err = run("--connect-timeout", "0.3", "--no-reconnect", f"http://127.0.0.1:{address[1]}/")
            assert time.monotonic() - before < TIMEOUT / 2
        finally:
            for one in waiting:
                one.close()
    assert code == 1
    assert "connect_timeout=0.3 s" in err


# How long it lives


def test_retries_are_counted(server: EventStreamServer) -> None:
    """After --retries failed attempts in a row beyond the first, the command gives up with code 1, or 22 if refused."""
    for _ in range(3):
        server.respond(503)
    code, _, err = run("--retries", "2", "--retry", "0.01", server.url)
    assert code == 22
    assert err.count("again in") == 2
    server.hang_up()
    assert run("--retries", "0", server.url)[0] == 1


def test_patience_outlives_a_page(server: EventStreamServer) -> None:
    """With --patient a maintenance page, a 404 and a 403 are tried again; a 204 ends it still."""
    server.respond(200, b"<html>", headers={"Content-Type": "text/html"})
    server.respond(404)
    server.respond(403)
    server.stream(event("1"))
    code, out, err = run("--patient", "--retry", "0.01", server.url)
    assert (code, out) == (0, "1\n")
    assert err.count("not connected: ") == 3


def test_what_may_not_be_repeated_is_if_it_is_said_how(server: EventStreamServer) -> None:
    """A POST is sent once; with --retries it is sent again."""
    server.respond(503)
    assert run("-d", "x", server.url)[0] == 22
    server.respond(503)
    server.stream(event("1"))
    assert out_of("-d", "x", "--retries", "1", "--retry", "0.01", "--limit", "1", server.url) == "1\n"
    assert [request.body for request in server.requests] == [b"x"] * 3


def test_going_on_where_the_last_run_stopped(server: EventStreamServer, tmp_path: Path) -> None:
    """-c keeps the place in a file, from which the next run goes on; the first begins where the server likes."""
    server.serve_log(6)
    path = tmp_path / "position"
    assert out_of("-c", str(path), "--limit", "2", server.url) == "1\n2\n"
    assert path.read_text() == "2"
    assert out_of("--continue", str(path), "-e", "none", "--until", "5", server.url) == ""
    assert path.read_text() == "5"
    assert out_of("-c", str(path), server.url) == "6\n"
    assert path.read_text() == "6"
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "2", "5", "6"]


@posix
def test_going_on_across_kill_9(server: EventStreamServer, tmp_path: Path) -> None:
    """Killed with -9 again and again in the middle of a fast stream, -c lets no number be missing from the output."""
    count, per_connection = 3000, 40

    def serve(exchange: Any) -> None:
        have = int(exchange.request.headers.get("Last-Event-ID", "0"))
        if have >= count:
            exchange.respond(204)
            return
        last = min(have + per_connection, count)
        exchange.run(retry(0.001), *(event(str(n), id=str(n)) for n in range(have + 1, last + 1)))

    server.handler = serve
    position, output = tmp_path / "position", tmp_path / "output"
    output.touch()
    kills = 0
    while True:
        size = output.stat().st_size
        with output.open("ab") as file, command("-c", str(position), server.url, stdout=file.fileno()) as running:
            deadline = time.monotonic() + TIMEOUT
            wanted = size + 400 * (kills % 5 + 1)
            while output.stat().st_size < wanted and running.code() is None and time.monotonic() < deadline:
                threading.Event().wait(0.001)
            if running.code() is None:
                running.kill()
                kills += 1
            code = running.end()
        if code == 0:
            break
    assert kills >= 5
    numbers = [int(line) for line in output.read_bytes().split(b"\n") if line.isdigit()]
    assert set(numbers) == set(range(1, count + 1))


@posix
@pytest.mark.parametrize("phase", ["silent stream", "no response", "waiting", "flood"])
def test_sigterm_is_as_quiet_as_ctrl_c(server: EventStreamServer, tmp_path: Path, phase: str) -> None:
    """In each phase, SIGTERM ends the command with 143, the position written and nothing said."""
    position = tmp_path / "position"
    serve(server, phase)
    with command("-c", str(position), "--summary", server.url) as running:
        if phase == "no response":
            server.wait_for_requests(1)
        elif phase == "waiting":
            running.wait_for("err", "again in")
        else:
            running.wait_for("out", "\n")
        if phase != "no response":
            deadline = time.monotonic() + TIMEOUT
            while not position.exists() and time.monotonic() < deadline:
                threading.Event().wait(0.01)  # it is written after the output is
        running.terminate()
        assert running.end() == 143
    assert running.err.splitlines()[-1].startswith("events ")
    assert "Traceback" not in running.err
    if phase != "no response":
        assert position.read_text() == "1"


@posix
def test_ctrl_c_while_nobody_reads(server: EventStreamServer) -> None:
    """Ctrl-C ends it also where the output is stuck because nobody reads it."""
    server.handler = lambda exchange: exchange.run(*[event("x" * 1000)] * 100_000)
    reading, writing = os.pipe()
    try:
        with command(server.url, stdout=writing) as running:
            os.close(writing)
            running.wait_for("err", "connected")
            while not select_readable(reading):
                threading.Event().wait(0.01)
            running.interrupt()
            assert running.end() == 130
            assert "Traceback" not in running.err
    finally:
        os.close(reading)


def select_readable(descriptor: int) -> bool:
    """Whether a pipe has something to read."""
    return bool(select.select([descriptor], [], [], 0)[0])


# Recorded streams


def test_a_recorded_stream(tmp_path: Path) -> None:
    """A file or stdin is followed as a stream is, with all that chooses and shows; what is unfinished is not shown."""
    content = b"event: price\nid: 7\ndata: 1\n\n: hi\ndata: 2\n\ndata: cut"
    path = tmp_path / "dump.sse"
    path.write_bytes(content)
    assert run(str(path)) == (0, "1\n2\n", "")
    assert run("-", stdin=content) == (0, "1\n2\n", "")
    assert run("-", "-e", "price", "--summary", stdin=content) == (
        0,
        "1\n",
        f"events 2 (1 shown), bytes {len(content)}\n",
    )
    assert out_of("-", "--json", "--limit", "1", stdin=content) == (
        '{"type": "price", "data": 1, "last_event_id": "7", "origin": ""}\n'
    )
    assert out_of("-o", "raw", "-", stdin=content).encode() == content
    assert run("--until", "2", "--comments", "-", stdin=content) == (0, "1\n: hi\n", "")


@posix
def test_a_foreign_stream_is_followed_as_it_comes() -> None:
    """`curl -sN URL | sse-client -` shows each event when it comes; limits and Ctrl-C end it in silence."""
    for arguments, code in (([], 130), (["--idle-exit", "0.3"], 0), (["--max-time", "0.5"], 124)):
        reading, writing = os.pipe()
        with command("-", *arguments, stdin=reading) as running:
            os.close(reading)
            os.write(writing, b"data: 1\n\ndata: unfinished")
            running.wait_for("out", "1\n")
            if not arguments:
                running.interrupt()
            assert running.end() == code
        os.close(writing)


def test_a_closed_stdin_is_wrong_usage() -> None:
    """Where there is no stdin, - is wrong usage, not a traceback."""
    if os.name != "posix":
        pytest.skip("needs a shell")
    line = ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "-"]
    result = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=TIMEOUT, check=False)
    assert result.returncode == 2
    assert "there is no stdin to read" in result.stderr


def test_an_unreadable_file_is_wrong_usage(tmp_path: Path) -> None:
    """A folder is no recording."""
    code, out, err = run(str(tmp_path))
    assert (code, out) == (2, "")
    assert "the file cannot be read: " in err


def test_python_m_is_the_command() -> None:
    """The manual is the same however the command is started."""
    script = [str(Path(sys.executable).with_name("sse-client"))]
    by_module, by_script = (
        subprocess.run([*line, "--help"], capture_output=True, env=environment(), timeout=TIMEOUT, check=True).stdout
        for line in (COMMAND, script)
    )
    assert by_module == by_script
