"""The ``sse-client`` command as a user meets it: a child process, real sockets, pipes, a terminal, Ctrl-C."""

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
from pathlib import Path

import pytest
import trustme

from sse_client.testing import EventStreamServer, comment, drop, event, hold, raw, retry, signal, wait_for

from .command import COMMAND, command, environment, run, run_on_terminal, serve
from .support import TIMEOUT

OVER = "the server says that the stream is over (status 204)"

needs_terminal = pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
needs_poll = pytest.mark.skipif(not hasattr(select, "poll"), reason="the system does not tell that a reader has left")


def two_ends(kind: str) -> tuple[int, int]:
    """The descriptors of a pipe or a pair of sockets: the reading end, and the writing one."""
    if kind == "pipe":
        return os.pipe()
    if sys.platform != "linux":
        pytest.skip("sockets are watched on Linux only")
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


def test_data_to_stdout_states_to_stderr_resuming_after_a_drop(server: EventStreamServer) -> None:
    """Over a drop in the middle of an event, stdout has the data alone, stderr says what happened, the code is 0."""
    server.stream(retry(0.1), event("first", id="1"), event("two\nlines", id="2"), raw(b"data: ha"), drop())
    server.stream(event("third", id="3"))
    code, out, err = run(server.url)
    assert out == "first\ntwo\nlines\nthird\n"
    assert code == 0
    lines = err.splitlines()
    assert lines[0] == lines[2] == f"connected to {server.url}"
    assert re.fullmatch(
        r"disconnected: the stream was cut off in the middle of its framing; again in 0\.[12] s", lines[1]
    )
    assert re.fullmatch(r"disconnected: the server ended the stream; again in 0\.[12] s", lines[3])
    assert lines[4:] == [OVER]
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "2", "3"]


def test_each_event_is_in_the_pipe_before_the_next_is_sent(server: EventStreamServer) -> None:
    """Data is flushed at once, also in a pipe."""
    seen = threading.Event()
    server.stream(event("one"), wait_for(seen), event("two"), hold())
    with command(server.url) as running:
        running.wait_for("out", "one\n")
        assert "two" not in running.out
        seen.set()
        running.wait_for("out", "two\n")


def test_json_has_one_object_a_line(server: EventStreamServer) -> None:
    """With --json each line of stdout is an event; what is not ASCII stays readable."""
    server.stream(event("Grüße\n東京", type="news", id="né"), comment("x"), event("b"))
    code, out, _ = run("--json", "--no-reconnect", server.url)
    assert code == 0
    origin = server.url.rstrip("/")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"type": "news", "data": "Grüße\n東京", "last_event_id": "né", "origin": origin},
        {"type": "message", "data": "b", "last_event_id": "né", "origin": origin},
    ]
    assert "Grüße\\n東京" in out


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_pipe_gets_the_data_unchanged_in_utf_8(server: EventStreamServer, variables: dict[str, str]) -> None:
    """Whatever the locale, the bytes of the data come out of the pipe as they were: control characters, emoji, all."""
    data = "\x1b[31m\x07\x00 \x9b é 東京 😀 \u2028"
    server.stream(event(data))
    code, out, _ = run("--no-reconnect", server.url, env=environment(**variables))
    assert (code, out) == (0, data + "\n")


def test_headers_and_last_event_id_are_sent(server: EventStreamServer) -> None:
    """-H is repeatable, and the stream begins after --last-event-id."""
    code, _, err = run("-H", "X-Key: a b:c", "-H", "Accept-Language: de", "--last-event-id", "7é", server.url)
    assert (code, err) == (0, f"{OVER}\n")
    headers = server.requests[0].headers
    assert (headers["X-Key"], headers["Accept-Language"], headers["Last-Event-ID"]) == ("a b:c", "de", "7é")


def test_headers_from_a_file_and_from_stdin(server: EventStreamServer, tmp_path: Path) -> None:
    """-H @FILE and -H @- keep a token out of the list of processes, and bring it to the server."""
    path = tmp_path / "headers"
    path.write_bytes(b"Authorization: Bearer s3cret\nX-Key: a\n")
    assert run("-H", f"@{path}", "-H", "X-Key: b", server.url)[0] == 0
    assert run("-H", "@-", server.url, stdin=b"Authorization: Bearer s3cret\r\n")[0] == 0
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer s3cret"] * 2
    assert server.requests[0].headers["X-Key"] == "a, b"


@pytest.mark.parametrize("given", ["argument", "file", "stdin"])
def test_data_is_posted_as_it_is(server: EventStreamServer, tmp_path: Path, given: str) -> None:
    """-d posts its bytes, from wherever, under no Content-Type but the user's; after one stream, that is the end."""
    data = '{"é":\r\n1}\n'.encode()
    path = tmp_path / "data"
    path.write_bytes(data)
    server.stream(event("answer"))
    argument = {"argument": data.decode(), "file": f"@{path}", "stdin": "@-"}[given]
    arguments = ["-H", "Content-Type: application/json"] if given == "stdin" else []
    result = run("-d", argument, *arguments, server.url, stdin=data)
    assert result == (0, "answer\n", f"connected to {server.url}\nthe server ended the stream\n")
    (request,) = server.requests
    assert (request.method, request.body) == ("POST", data)
    assert request.headers.get("Content-Type") == ("application/json" if arguments else None)


def test_a_method_of_its_own(server: EventStreamServer) -> None:
    """-X sends any method, and one that may not be repeated is not: a lost stream is code 1."""
    server.stream(event("1"), drop())
    code, out, _ = run("-X", "QUERY", "-d", "q", server.url)
    assert (code, out) == (1, "1\n")
    assert [(request.method, request.body) for request in server.requests] == [("QUERY", b"q")]


def test_a_private_authority(server_context: ssl.SSLContext, authority: trustme.CA, tmp_path: Path) -> None:
    """--cacert believes a server of one's own, who is not believed without."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    with EventStreamServer(ssl_context=server_context) as server:
        server.stream(event("private"))
        assert run("--cacert", str(path), "--limit", "1", server.url) == (
            0,
            "private\n",
            f"connected to {server.url}\n",
        )
        code, out, err = run(server.url)
    assert (code, out) == (1, "")
    assert "certificate" in err


def test_limit_ends_the_command_and_its_connection(server: EventStreamServer) -> None:
    """After N events the command ends with 0, though the stream goes on."""
    gone = threading.Event()
    server.stream(event("1"), event("2"), event("3"), hold(), signal(gone))
    code, out, _ = run("--limit", "2", server.url)
    assert (code, out) == (0, "1\n2\n")
    assert gone.wait(TIMEOUT)
    assert len(server.requests) == 1


def test_without_reconnecting_the_end_is_the_end(server: EventStreamServer) -> None:
    """With --no-reconnect a clean end is code 0, after one request; a broken stream is code 1 with the reason."""
    server.stream(event("1"))
    assert run("--no-reconnect", server.url) == (
        0,
        "1\n",
        f"connected to {server.url}\nthe server ended the stream\n",
    )
    server.stream(event("1"), drop())
    code, out, err = run("--no-reconnect", server.url)
    assert (code, out) == (1, "1\n")
    reason = "the stream was cut off in the middle of its framing"
    assert err == f"connected to {server.url}\nsse-client: {reason} ({server.url})\n"
    assert len(server.requests) == 2


def test_a_rejected_response_is_code_22_and_shows_no_secret(server: EventStreamServer) -> None:
    """A 404 is told on stderr without the query's token, the password or the header, with what its body says."""
    address = server.url.replace("http://", "http://user:passw0rd@") + "x?token=s3cret"
    arguments = ("-H", "Authorization: t0ken", address)
    body = b"no stream of this name" + b"!" * 1000
    server.respond(404, body)
    code, out, err = run(*arguments)
    assert (code, out) == (22, "")
    assert "404" in err
    assert server.url in err
    assert re.search(r"\nno stream of this name!+ \.\.\. \(more with -v\)\n$", err)
    server.respond(404, body)
    code, _, verbose = run("-v", *arguments)
    assert code == 22
    assert verbose.endswith(f"\n{body.decode()}\n")
    for secret in ("passw0rd", "s3cret", "t0ken"):
        assert secret not in err + verbose


def test_a_refused_connection_is_told() -> None:
    """Where nobody listens, stderr says so: with reconnecting when it will try again, without it code 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    code, out, err = run("--no-reconnect", url)
    assert (code, out) == (1, "")
    assert err.startswith("sse-client: no connection: ")
    with command(url) as running:
        running.wait_for("err", " s\n")
        assert re.fullmatch(
            rf"not connected: no connection: .* \({re.escape(url)}\); again in [34]\.\d s\n", running.err
        )


def test_an_unusable_proxy_of_the_environment_is_told() -> None:
    """Where the environment names a proxy that is none, that is code 1 and the reason, not a traceback."""
    code, out, err = run("http://host.invalid/", env=environment(HTTP_PROXY="ftp://proxy.invalid:1", NO_PROXY=""))
    assert (code, out) == (1, "")
    assert re.fullmatch(r"sse-client: the environment's proxy for http is not usable: .*\n", err)


@pytest.mark.parametrize("arguments", [[], ["no-url"], ["http://127.0.0.1/", "-d", "@/no/such"], ["--nonsense"]])
def test_wrong_usage_is_code_2(arguments: list[str]) -> None:
    """Wrong usage is code 2, a usage line and the reason on stderr, no traceback."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: sse-client")
    assert "Traceback" not in err


def test_verbose_logs_to_stderr(server: EventStreamServer) -> None:
    """-v adds the log to stderr, and nothing to stdout."""
    server.stream(event("1"), drop())
    code, out, err = run("-v", "--no-reconnect", server.url)
    assert (code, out) == (1, "1\n")
    assert f" sse_client INFO: open: {server.url}\n" in err


# Ctrl-C


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as SIGINT")
@pytest.mark.parametrize("phase", ["silent stream", "no response", "waiting", "flood"])
def test_ctrl_c_is_code_130_and_quiet(server: EventStreamServer, phase: str) -> None:
    """In each phase, Ctrl-C ends the command with 130, without a traceback."""
    arguments = [server.url]
    serve(server, phase)
    with command(*arguments) as running:
        if phase == "no response":
            server.wait_for_requests(1)
        elif phase == "waiting":
            running.wait_for("err", "again in")
        else:
            running.wait_for("err", "connected to")
            running.wait_for("out", "\n")
        running.interrupt()
        assert running.end() == 130
        assert "Traceback" not in running.err
        assert "Interrupt" not in running.err


TOO_LATE = """
import signal, sys, threading, time
from sse_client.cli.main import main

def interrupt():
    sys.stdin.readline()
    signal.pthread_kill(threading.get_ident(), signal.{signal})  # the main thread's system call goes on

threading.Thread(target=interrupt, daemon=True).start()
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="the signal is sent to another thread")
@pytest.mark.parametrize("phase", ["silent stream", "no response", "waiting"])
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_that_no_system_call_sees_ends_the_command(
    server: EventStreamServer, phase: str, name: str, code: int
) -> None:
    """A signal that arrives just before a wait does not end it: the command ends all the same."""
    serve(server, phase)
    with subprocess.Popen(
        [sys.executable, "-c", TOO_LATE.format(signal=name), server.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        server.wait_for_requests(1)
        if phase == "silent stream":
            assert process.stderr.readline().startswith(b"connected")
            assert process.stdout.readline() == b"1\n"
        elif phase == "waiting":
            assert any(b"again in" in line for line in process.stderr)
        process.stdin.write(b"now\n")
        process.stdin.close()
        assert process.wait(TIMEOUT) == code
        assert process.stderr.read() == b""


# Whoever reads the output


def test_a_pipe_that_is_closed_early_ends_it_quietly(server: EventStreamServer) -> None:
    """Like `sse-client URL | head -1`: the command ends with 0 and says nothing about the pipe."""
    closed = threading.Event()
    server.stream(event("1"), wait_for(closed), *[event("more")] * 10, hold())
    process = subprocess.Popen(
        [*COMMAND, server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == b"1"
        process.stdout.close()
        closed.set()
        assert process.wait(TIMEOUT) == 0
        assert process.stderr is not None
        assert process.stderr.read().decode().splitlines() == [f"connected to {server.url}"]
    finally:
        process.kill()
        process.wait(TIMEOUT)
        process.stdout.close()
        if process.stderr is not None:
            process.stderr.close()


@needs_poll
@pytest.mark.parametrize("phase", ["silent stream", "no response", "waiting"])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_who_leaves_is_noticed_while_nothing_comes(server: EventStreamServer, phase: str, kind: str) -> None:
    """In each quiet phase, the command ends with 0 when its reader leaves, and says nothing about it."""
    serve(server, phase)
    reading, writing = two_ends(kind)
    with command(server.url, stdout=writing) as running:
        os.close(writing)
        try:
            server.wait_for_requests(1)
            if phase != "no response":
                assert os.read(reading, 2) == b"1\n"
            if phase == "waiting":
                running.wait_for("err", "again in")
        finally:
            os.close(reading)
        assert running.end() == 0
    states = {"silent stream": "connected", "no response": "", "waiting": "connected disconnected:"}[phase]
    assert [line.split()[0] for line in running.err.splitlines()] == states.split()


@pytest.mark.skipif(sys.platform != "linux", reason="sockets are watched on Linux only")
def test_a_reader_who_has_merely_finished_sending_has_not_left(server: EventStreamServer) -> None:
    """With stdout a socket whose other end has shut its sending down, as sshd does, the stream is followed on."""
    finished = threading.Event()
    server.stream(event("1"), wait_for(finished), event("2"))
    ours, theirs = socket.socketpair()
    with ours, command("--no-reconnect", server.url, stdout=theirs.fileno()) as running:
        theirs.close()
        ours.settimeout(TIMEOUT)
        assert ours.recv(2) == b"1\n"
        ours.shutdown(socket.SHUT_WR)
        finished.set()
        assert running.end() == 0
        assert ours.recv(2) == b"2\n"


def in_shell(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a shell's script, in which ``"$@"`` is the command with these arguments, to its end."""
    command_line = ["sh", "-c", script, "sh", *COMMAND, *arguments]
    return subprocess.run(command_line, capture_output=True, text=True, timeout=TIMEOUT, env=environment(), check=False)


@needs_poll
def test_head_on_a_stream_that_stays_silent(server: EventStreamServer) -> None:
    """`sse-client URL | head -1` in a real shell ends by itself, though no second event comes."""
    server.stream(event("1"), hold())
    script = '{ "$@"; echo "code $?" >&2; } | head -1'
    result = in_shell(script, server.url)
    assert result.stdout == "1\n"
    assert result.stderr == f"connected to {server.url}\ncode 0\n"


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_head_and_both_streams_in_one_pipe(server: EventStreamServer) -> None:
    """`sse-client URL 2>&1 | head -2` in a real shell ends by itself, with nothing more and code 0."""
    server.handler = lambda exchange: exchange.run(*[event("x" * 1000)] * 100_000)
    script = '{ "$@" 2>&1; echo "code $?" >&2; } | head -2'
    result = in_shell(script, server.url)
    assert result.stdout.splitlines() == [f"connected to {server.url}", "x" * 1000]
    assert result.stderr == "code 0\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_code_1(server: EventStreamServer) -> None:
    """Output that cannot be written is told in one line."""
    server.stream(event("1"), hold())
    with open("/dev/full", "wb") as full, command(server.url, stdout=full.fileno()) as running:
        assert running.end() == 1
    assert running.err == f"connected to {server.url}\nsse-client: No space left on device\n"


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_without_any_stdout_and_stderr(server: EventStreamServer) -> None:
    """Started with stdout and stderr closed, as some job runners do, it still follows the stream to its end."""
    server.stream(event("1"))
    script = 'exec "$@" >&- 2>&-'
    result = subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, "--no-reconnect", server.url],
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT,
        env=environment(),
        check=False,
    )
    assert result.returncode == 0
    assert len(server.requests) == 1


# On a terminal


HOSTILE = "\x1b]0;owned\x07 \x9b2J\tok 東京 \u202egnp.exe\u2066 \u200b\ufeff\U000e0041"
UNSAFE = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e0fff]"


@needs_terminal
@pytest.mark.parametrize("output", ["pretty", "data", "json", "raw"])
def test_a_hostile_event_cannot_steer_the_terminal(server: EventStreamServer, output: str) -> None:
    """On a terminal no control and no invisible character of the server's arrives, however events are shown."""
    hostile = event(HOSTILE.replace("\x07", "\x07\n"), type=HOSTILE, id=HOSTILE)
    server.stream(comment(HOSTILE), hostile, event(json.dumps({HOSTILE: HOSTILE}, ensure_ascii=False)))
    code, shown = run_on_terminal(
        "-o", output, "--no-color", "--no-reconnect", *(["--comments"] if output != "raw" else []), server.url
    )
    assert code == 0
    assert "gnp.exe" in shown
    assert ("\\u202e" if output == "json" else "<U+202E>") in shown
    assert not re.search(UNSAFE, shown)


@needs_terminal
def test_nothing_else_of_a_hostile_server_steers_the_terminal(server: EventStreamServer) -> None:
    """Nor from states, log lines, header lines or the body of a refusal."""
    server.redirect("/\x9b2J\u202e")  # refused or shown, but not as it is
    server.stream(event("x"), headers={"X-Note": HOSTILE.replace("\x07", "").replace("\x1b", "")})
    server.redirect("/\x9b2J\u202e")
    server.stream(event("x"))
    server.respond(404, "\x1b[2J \u202eno such stream".encode())
    shown = [
        run_on_terminal("-v", "--no-color", "--no-reconnect", server.url),
        run_on_terminal("--no-color", "--no-reconnect", server.url),
        run_on_terminal("--no-color", "--no-reconnect", server.url),
    ]
    assert [code for code, _ in shown] == [0, 0, 22]
    assert f"INFO: open: {server.url}" in shown[0][1]
    assert "x-note: " in shown[0][1]
    assert f"connected to {server.url}" in shown[1][1]
    assert "␛[2J <U+202E>no such stream" in shown[2][1]
    for _, text in shown:
        assert not re.search(UNSAFE, text)


@needs_terminal
@pytest.mark.parametrize(
    ("arguments", "variables", "colored"),
    [
        ([], {}, True),
        (["--no-color"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"TERM": "dumb"}, False),
    ],
)
def test_colours_on_a_terminal(
    server: EventStreamServer, arguments: list[str], variables: dict[str, str], colored: bool
) -> None:
    """States are in colour on a terminal, unless the user does not want it; with -o data, the data is not."""
    server.stream(event("data"))
    arguments = [*arguments, "-o", "data", "--no-reconnect", server.url]
    code, shown = run_on_terminal(*arguments, env=environment(**variables))
    assert code == 0
    state = f"connected to {server.url}"
    end = "the server ended the stream"
    expected = f"\x1b[32m{state}\x1b[0m\ndata\n\x1b[32m{end}\x1b[0m\n" if colored else f"{state}\ndata\n{end}\n"
    assert shown == expected
