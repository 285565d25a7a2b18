"""Every block of the README, of the gallery and of tests/README.md runs, with a local server for https://example.com.

So do the examples in the docstrings that are chapters. Each link within the project leads to something.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import sse_client.testing
from sse_client import ConnectionLost, EventSource, ReconnectPolicy, iter_events
from sse_client.testing import EventStreamServer, Exchange, ScriptedConnector, drop, event, hold, retry

ROOT = Path(__file__).parent.parent
PAGES = {
    path: (ROOT / path).read_text(encoding="utf-8")
    for path in [
        "README.md",
        "tests/README.md",
        "tests/examples/README.md",
        *(f".github/{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY")),
    ]
}
README, TESTS, GALLERY, *_ = PAGES.values()
RECIPES = re.findall(
    r'recipe\("(.*?)"\)', (ROOT / "tests" / "examples" / "test_recipes.py").read_text(encoding="utf-8")
)
MAX_LINES = 220
CHAPTERS = ["sse_client.testing", "sse_client.requests_bridge", "sse_client.fallback", "sse_client.redis_relay"]

BLOCKS = [
    pytest.param(language, code, id=f"{page} line {text.count(chr(10), 0, match.start()) + 1}")
    for page, text in list(PAGES.items())[:3]
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for language, code in [match.groups()]
]
INSTALLING = "python3 -m venv .venv"
PYTEST = ".venv/bin/pytest "
PYTHON = ".venv/bin/python -m "

TOKEN = event('{"choices": [{"delta": {"content": "Hello"}}]}')
EMPTY = event('{"choices": [{"delta": {"content": null}}]}')
USAGE = event('{"choices": [], "usage": {"total_tokens": 7}}')


def answer(exchange: Exchange) -> None:
    """Three events, then a clean end; whoever has them all is told to stop."""
    if exchange.request.headers.get("Last-Event-ID") == "3":
        exchange.respond(204)
    elif exchange.request.method == "POST":
        exchange.run(TOKEN, USAGE, EMPTY, event("[DONE]"), event("not for the reader"))
    else:
        exchange.run(
            retry(0.01),
            event('{"build": 1}', id="1"),
            event('{"symbol": "ACME", "price": 3.5}', type="price-update", id="2"),
            event('{"build": 2}', id="3"),
        )


@pytest.fixture
def server() -> Iterator[EventStreamServer]:
    with EventStreamServer() as running:
        running.handler = answer
        yield running


def is_a_recipe(code: str) -> bool:
    """Whether a test of tests/examples/test_recipes.py runs this block, with a server of its own."""
    return code in GALLERY and any(text in code for text in RECIPES)


@pytest.mark.parametrize(
    ("language", "code"),
    [block for block in BLOCKS if block.values[0] == "python" and not is_a_recipe(str(block.values[1]))],
)
def test_python(
    language: str, code: str, server: EventStreamServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every Python block runs as it stands; so do the tests that it holds."""
    monkeypatch.chdir(tmp_path)
    run_tests(run(code, server))


def run_tests(names: dict[str, Any]) -> None:
    for name, value in names.items():
        if name.startswith("test_"):
            with EventStreamServer() as its_own:
                value(event_stream_server=its_own)


def test_the_chapter_of_testing() -> None:
    """The examples in the docstring of sse_client.testing run, with the names that they use imported."""
    names = {**vars(sse_client), **vars(sse_client.testing), "pytest": pytest, "json": json}
    examples = re.findall(r"::\n\n((?: {8}.*\n|\n)+)", chapter("sse_client.testing"))
    assert len(examples) == 2
    for example in examples:
        made: dict[str, Any] = dict(names)
        exec(compile(textwrap.dedent(example), "sse_client.testing", "exec", dont_inherit=True), made)
        run_tests({name: value for name, value in made.items() if name not in names})


def chapter(module: str) -> str:
    return (importlib.import_module(module).__doc__ or "") + "\n"


@pytest.mark.parametrize("module", CHAPTERS)
def test_each_chapter_is_one(module: str) -> None:
    """What begins with a chapter says more than a line, and the README or the package names it."""
    assert len(chapter(module).splitlines()) > 20
    assert module in chapter("sse_client")
    assert module.rpartition(".")[2] in README[README.index("## Links") :]


def test_help_shows_the_public_names_first() -> None:
    """The package's docstring, with which help() begins, has a line for each public name."""
    listed = re.findall(r"^    `(\w+)`  +\S", chapter("sse_client"), re.MULTILINE)
    assert sorted(listed) == sorted(set(sse_client.__all__) - {"__version__"})


def run(code: str, server: EventStreamServer) -> dict[str, Any]:
    """Run a block with a local server; return the names it has made."""
    names: dict[str, Any] = {"__name__": "__readme__"}
    here = server.url.rstrip("/")
    code = code.replace("https://example.com", here).replace("wss://example.com", here.replace("http", "ws"))
    exec(compile(code, "a block", "exec", dont_inherit=True), names)
    return names


def block_with(text: str) -> str:
    """The one Python block in which this stands."""
    (code,) = [str(code) for language, code in (block.values for block in BLOCKS) if text in str(code)]
    return code


def test_the_answer_of_a_language_model(server: EventStreamServer, capsys: pytest.CaptureFixture[str]) -> None:
    """The tokens are printed, with empty parts or without."""
    run(block_with("until_open=True"), server)
    assert capsys.readouterr().out == "Hello"


def test_a_language_model_that_says_no(server: EventStreamServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal is shown with what the server says, and with when to come back."""
    server.respond(402, b"no credit", headers={"Retry-After": "60"})
    run(block_with("until_open=True"), server)
    assert capsys.readouterr().out == "402 60.0 no credit\n"


def test_an_answer_that_breaks_off(server: EventStreamServer) -> None:
    """An error in the stream, its early end and its loss are noticed, and the question is sent once."""
    code = block_with("until_open=True")
    server.stream(TOKEN, event('{"error": "overloaded"}'), hold())
    with pytest.raises(RuntimeError, match="overloaded"):
        run(code, server)
    server.stream(TOKEN)
    with pytest.raises(RuntimeError, match=r"the answer ends before \[DONE\]"):
        run(code, server)
    server.stream(TOKEN, drop())
    with pytest.raises(ConnectionLost):
        run(code, server)
    assert len(server.requests) == 3


def test_a_patient_policy(server: EventStreamServer) -> None:
    """A maintenance page and a 404 are waited out by a patient policy, and are final by default."""
    connector = ScriptedConnector()
    connector.respond(200, b"<h1>Back soon</h1>", headers={"Content-Type": "text/html"})
    connector.respond(404)
    connector.stream(event("a"))
    connector.end()
    run(block_with("ReconnectPolicy.patient()"), server)
    source = EventSource(connector, reconnect=ReconnectPolicy.patient())
    assert [it.data for it in source] == ["a"]
    for status, content_type in ((200, "text/html"), (404, "text/event-stream")):
        connector.respond(status, headers={"Content-Type": content_type})
        with pytest.raises(sse_client.ResponseRejected):
            list(EventSource(connector))


def test_what_must_be_percent_encoded(server: EventStreamServer) -> None:
    """Quoted as the README says, any password arrives as it is."""
    server.respond(204)
    password = quote("p@ss:w/rd%41?#[é ]", safe="")
    list(EventSource(server.url.replace("http://", f"http://me:{password}@")))
    expected = "Basic " + base64.b64encode("me:p@ss:w/rd%41?#[é ]".encode()).decode()
    assert server.requests[0].headers["Authorization"] == expected


def test_lines_without_their_ends() -> None:
    """What iter_lines() brings has no event in it, as the README warns."""
    assert list(iter_events(b"data: a\n\ndata: b\n\n".split(b"\n"))) == []
    assert len(list(iter_events([b"data: a\n\ndata: b\n\n"]))) == 2


def test_the_steps_and_the_server_are_all_there() -> None:
    """The lists of steps and of the server's methods leave out nothing that sse_client.testing has."""
    text = chapter("sse_client.testing")
    documented = set(re.findall(r"``(\w+)", text[text.index("\nThe steps\n") :]))
    steps = {name for name in sse_client.testing.__all__ if name.islower()} - {"encode_event"}
    its_life = {"start", "close", "handler", "host", "port", "url"}
    methods = {name for name in dir(EventStreamServer) if not name.startswith("_")} - its_life
    assert (steps | methods) - documented == set()


def test_the_time_outs_are_those_of_the_event_source() -> None:
    """The table of time-outs has the defaults that the code has."""
    table = dict(re.findall(r"^\| `(\w+_timeout)` \| (\d+) s", README, re.MULTILINE))
    defaults = {k: v for k, v in (EventSource.__init__.__kwdefaults__ or {}).items() if k in table}
    assert set(table) == {"connect_timeout", "idle_timeout"}
    assert {name: float(seconds) for name, seconds in table.items()} == defaults


def test_the_policy_is_that_of_the_code() -> None:
    """The times and statuses that README and gallery name are the policy's defaults."""
    policy = ReconnectPolicy()
    for page in (README, GALLERY):
        assert f"{policy.reconnection_time:g} s" in page
        assert f"up to {policy.max_delay:g} s" in page
    assert f"lasted for {policy.steady_after:g} s" in GALLERY
    assert f"above {sse_client.DEFAULT_MAX_EVENT_SIZE >> 20} MiB" in README
    (row,) = re.findall(r"^\| (\d.*?every 5xx.*?) \|", GALLERY, re.MULTILINE)
    clients, _, servers = row.partition("every 5xx but")
    finals = {int(status) for status in re.findall(r"\d+", servers)}
    retried = {
        status
        for status in range(400, 600)
        for error in [sse_client.ResponseRejected("no", url="", status=status, headers={})]
        if policy.delay(error, 1, reconnection_time=None, sample=0.0) is not None
    }
    assert retried == {int(status) for status in re.findall(r"\d+", clients)} | set(range(500, 600)) - finals


def test_the_comparison_is_that_of_the_benchmark() -> None:
    """The README's table has the rows and the clients of tests.benchmarks.compare, and says of what was compared."""
    (table,) = re.findall(r"^\| \| this \|.*\n((?:\|.*\n)+)", README, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]
    code = (ROOT / "tests" / "benchmarks" / "compare.py").read_text(encoding="utf-8")
    assert [row[0] for row in rows if row[0] not in code] == []
    for row in rows:
        assert len(row) == 6
        assert row[1] not in {"no", ""}
    clients = (ROOT / "tests" / "benchmarks" / "follow.py").read_text(encoding="utf-8")
    for name in ("sseclient-py", "launchdarkly-eventsource", "httpx-sse", "requests iter_lines"):
        assert f'"{name}"' in clients
        assert f"| {name} |" in TESTS
        assert name.partition(" ")[0] in README


def test_the_readme_is_short() -> None:
    """The README can be read in a few minutes; what is longer has a page of its own."""
    assert len(README.splitlines()) <= MAX_LINES


def shell_lines() -> Iterator[str]:
    for block in BLOCKS:
        if block.values[0] == "sh":
            yield from str(block.values[1]).splitlines()


@pytest.mark.parametrize("line", sorted({line for line in shell_lines() if line.startswith("sse-client ")}))
def test_commands(line: str, server: EventStreamServer, tmp_path: Path) -> None:
    """Every call of sse-client works, up to where a shell takes over."""
    (tmp_path / "question.json").write_text("{}", encoding="utf-8")
    arguments = shlex.split(line.replace("https://example.com", server.url.rstrip("/")))[1:]
    end = next((index for index, word in enumerate(arguments) if word in ("|", ">>")), None)
    done = subprocess.run(
        [sys.executable, "-m", "sse_client", *arguments[:end]],
        capture_output=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    expected = b"Hello" if "--until" in line else b"3.5" if "--field" in line else b"build"
    assert expected in done.stdout


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith(PYTHON)])
def test_programs(line: str) -> None:
    """Every program that is started by hand exists, and knows the options that it is given."""
    module, *arguments = shlex.split(line.partition(PYTHON)[2])
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert [word for word in arguments if word.startswith("--") and word not in done.stdout] == []


def test_calls_of_pytest() -> None:
    """Every call of pytest names folders that exist, and options that pytest knows here."""
    calls = [shlex.split(line)[1:] for line in shell_lines() if line.startswith(PYTEST)]
    words = [word for call in calls for word in call]
    assert [word for word in words if word.startswith("tests/") and not (ROOT / word).is_dir()] == []
    options = {word for word in words if word.startswith("-")}
    help_text = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    ).stdout
    assert [option for option in options if not re.search(rf"^ +({option}[ ,=]|-\w, {option})", help_text, re.M)] == []


def test_installing() -> None:
    """The README has two commands for a fresh clone; CI runs the one for the tests exactly as it stands there."""
    demo, tests = [line for line in shell_lines() if line.startswith(INSTALLING)]
    assert demo.endswith("/sse-client --demo")
    assert tests in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_no_other_blocks() -> None:
    """Every block but the unit of systemd is of a kind that is run, and every shell line is one of those above."""
    assert {block.values[0] for block in BLOCKS} == {"python", "sh", "ini"}
    assert all(line.startswith(("sse-client ", INSTALLING, PYTEST, PYTHON)) for line in shell_lines())


def anchors(text: str) -> set[str]:
    """The anchors that a Markdown page gets: those of its headings."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_something(page: str) -> None:
    """Every link within the project leads to a file that exists, and to a heading that exists in it."""
    folder = (ROOT / page).parent
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if link.startswith(("https:", "http:")):
            continue
        path, _, anchor = link.partition("#")
        target = folder / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    """Every file of the project that a page names, such as the holder of a promise, exists."""
    for path in re.findall(r"`((?:tests|sse_client|\.ci|\.github)/[\w/.]+)`", PAGES[page]):
        assert (ROOT / path).exists(), path


def test_every_folder_and_every_program_of_tests_is_on_its_page() -> None:
    """The layout names every folder of tests, and the page shows how to start each long run."""
    folders = {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists()}
    assert set(re.findall(r"^\| `(\w+)` \|", TESTS, re.MULTILINE)) == folders
    started = {
        f"tests.soak.{path.stem}"
        for path in (ROOT / "tests" / "soak").glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8") and path.stem not in {"__main__", "server"}
    }
    shown = set(re.findall(rf"^{re.escape(PYTHON)}(\S+)", TESTS, re.MULTILINE))
    assert started | {"tests.soak", "tests.benchmarks"} <= shown


def test_every_picture_is_shown() -> None:
    """Each picture stands on a page, with words for those who do not see it."""
    shown = {Path(path).name for text in PAGES.values() for path in re.findall(r"!\[[^\]]{20,}\]\((\S+)\)", text)}
    assert shown == {path.name for path in (ROOT / ".github" / "images").iterdir()}
