"""The recipes of the gallery that need a server of their own run as they stand there.

Those that `recipe` does not name are run by tests/test_readme.py.
"""

from __future__ import annotations

import base64
import re
import ssl
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from sse_client import EventSource, ResponseRejected
from sse_client.testing import EventStreamServer, drop, event, hold, retry

from .support import HERE, ROOT

GALLERY = (HERE / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", GALLERY, re.MULTILINE | re.DOTALL)


def recipe(text: str) -> str:
    """The one block in which this stands."""
    (code,) = [code for code in BLOCKS if text in code]
    return str(code)


def run(code: str, server: EventStreamServer) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__gallery__"}
    exec(compile(code.replace("https://example.com", server.url.rstrip("/")), "README.md", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_id_as_a_query_parameter(server: EventStreamServer, capsys: pytest.CaptureFixture[str]) -> None:
    """The first request has none; each later one has the ID of the last event."""
    server.stream(retry(0.1), event("a", id="urn:1"))
    server.stream(event("b", id="urn:2"))
    server.respond(204)
    run(recipe("lastEventID"), server)
    assert capsys.readouterr().out == "a\nb\n"
    queries = [parse_qs(urlsplit(request.target).query) for request in server.requests]
    assert [query.get("lastEventID") for query in queries] == [None, ["urn:1"], ["urn:2"]]
    assert all("topic" in query for query in queries)


def test_stop_after_some_seconds(server: EventStreamServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A silent stream is left when the time is up, without an error."""
    server.stream(event("a"), hold())
    before = time.monotonic()
    run(recipe("threading.Timer").replace("60.0", "0.3"), server)
    assert 0.3 <= time.monotonic() - before < 5.0
    assert capsys.readouterr().out == "a\n"


def test_a_position_that_has_become_too_old(
    server: EventStreamServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a 410 the stream is followed from where the server likes to begin; other refusals are raised."""
    (tmp_path / "builds.position").write_text("17")
    code = recipe("error.status != 410")
    server.respond(410, b"gone")
    server.stream(retry(0.1), event("a", id="900"))
    server.respond(204)
    run(code, server)
    assert capsys.readouterr().out == "a\n"
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == ["17", None, "900"]
    assert (tmp_path / "builds.position").read_text() == "900"
    server.respond(403)
    with pytest.raises(ResponseRejected):
        run(code, server)


class Recording(ssl.SSLSocket):
    """The server's side of a connection, which writes down the certificate that the client shows."""

    shown: list[bytes]

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        self.shown.append(self.getpeercert(binary_form=True) or b"")


def test_a_client_certificate_that_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next connection shows the certificate that is in the file by then."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setattr(Recording, "shown", [], raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = Recording
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    certificates = [authority.issue_cert(name) for name in ("first.example", "second.example")]
    certificates[0].private_key_and_cert_chain_pem.write_to_path("client.pem")
    with EventStreamServer(ssl_context=context) as server:

        def renew(exchange: Any) -> None:
            certificates[1].private_key_and_cert_chain_pem.write_to_path("client.pem")
            exchange.run(retry(0.1), event("a"), drop())  # so that a new connection is made

        server.reply(renew)
        server.respond(204)
        run(recipe("load_cert_chain"), server)
    expected = [ssl.PEM_cert_to_DER_cert(it.cert_chain_pems[0].bytes().decode()) for it in certificates]
    assert Recording.shown == expected


def test_netrc_is_read_where_it_is_asked_for(
    server: EventStreamServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An EventSource does not look into .netrc; the recipe and a requests.Session do."""
    requests = pytest.importorskip("requests", reason="needs the package requests")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for _ in range(3):
        server.respond(204)
    list(EventSource(server.url))
    run(recipe("netrc.netrc()"), server)
    connector = __import__("sse_client.requests_bridge").requests_bridge.RequestsConnector
    list(EventSource(connector(requests.Session(), server.url)))
    login = "Basic " + base64.b64encode(b"me:secret").decode()
    assert [request.headers.get("Authorization") for request in server.requests] == [None, login, login]


def test_the_command_as_a_child(
    server: EventStreamServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command prints an object a line, which the program reads as the events come."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    server.stream(retry(0.1), event("a"), event("b", type="t"))
    server.respond(204)
    code = recipe("subprocess").replace('".venv/bin/sse-client"', f'{sys.executable!r}, "-m", "sse_client"')
    run(code, server)
    assert capsys.readouterr().out == "message a\nt b\n"


def test_the_gallery_names_every_program() -> None:
    """Each program of this folder stands in the gallery's table, and nothing that is not there."""
    linked = set(re.findall(r"\]\(([\w.]+)\)", GALLERY))
    helpers = {"__init__.py", "conftest.py", "support.py", "pictures.py"}
    programs = {path.name for path in HERE.glob("*.py") if not path.name.startswith("test_")} - helpers
    assert linked == programs
