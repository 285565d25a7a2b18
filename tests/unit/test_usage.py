"""The arguments of the command: which are wrong, and what those that are right ask of a source."""

from __future__ import annotations

import io
import os
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from sse_client import __version__
from sse_client.cli.main import main
from sse_client.cli.options import make_parser, parse, source_settings

# Wrong usage


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says, on stderr alone, to wrong arguments."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: sse-client")
    return err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "a URL is required"),
        (["example.com"], "url must start with http:// or https://"),
        (["ftp://example.com/"], "url must start with http:// or https://"),
        (["http://"], "url must name a host"),
        (["http://a.test:port/"], "url is malformed"),
        (["http://a.test/", "-H", "X: a\nb"], "'X'"),
        (["http://a.test/", "-H", "no name: x"], "'no name'"),
        (["http://a.test/", "-H", ": x"], "''"),
        (["http://a.test/", "-H", "Last-Event-ID: 5"], "Last-Event-ID"),
        (["http://a.test/", "-H", "no colon"], "argument -H/--header: expected 'Name: value'"),
        (["http://a.test/", "-H", "@"], "argument -H/--header: cannot read ''"),
        (["http://a.test/", "-H", "@/no/such"], "argument -H/--header: cannot read '/no/such': No such file"),
        (["http://a.test/", "-X", "A B"], "method must be an HTTP method"),
        (["http://a.test/", "-X", ""], "method must be an HTTP method"),
        (["http://a.test/", "-X", "é"], "method must be an HTTP method"),
        (["http://a.test/", "-d", "@/no/such"], "argument -d/--data: cannot read '/no/such': No such file"),
        (["http://a.test/", "-d", "a", "-d", "b"], "-d/--data can be given only once"),
        (["http://a.test/", "-d", "@-", "-H", "@-"], "@- can be given only once"),
        (["http://a.test/", "-H", "@-", "-H", "@-"], "@- can be given only once"),
        (["http://a.test/", "--cacert", "/no/such"], "argument --cacert: cannot read '/no/such': No such file"),
        (["http://a.test/", "--cacert", "/"], "argument --cacert: cannot read '/': "),
        (["http://a.test/", "--cacert", ""], "argument --cacert: expected the name of a file"),
        (["http://a.test/", "--cacert", __file__], "argument --cacert: there is no certificate in"),
        (["http://a.test/", "--last-event-id", "a\nb"], "last_event_id"),
        (["http://a.test/", "--limit", "0"], "'0'"),
        (["http://a.test/", "--limit", "many"], "'many'"),
        (["http://a.test/", "--seconds", "3"], "--seconds is for --demo"),
        (["http://a.test/", "--js"], "--js"),  # no abbreviations: they would break when an option is added
        (["--demo", "http://a.test/"], "--demo goes with"),
        (["--demo", "--json"], "--demo goes with"),
        (["--demo", "-H", "A: b"], "--demo goes with"),
        (["--demo", "--no-reconnect"], "--demo goes with"),
        (["--demo", "-d", "x"], "--demo goes with"),
        (["--demo", "-X", "GET"], "--demo goes with"),
        (["--demo", "--cacert", "x"], "--demo goes with"),
        (["--demo", "--seconds", "0"], "'0'"),
        (["--demo", "--seconds", "nan"], "'nan'"),
        (["--demo", "--seconds", "inf"], "'inf'"),
        (["--demo", "--seconds", "soon"], "'soon'"),
    ],
)
def test_wrong_usage_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str], named: str) -> None:
    """A wrong argument ends the command with code 2 and a message that names it."""
    assert named in usage_error(capsys, *arguments)


@pytest.mark.parametrize("value", ["Bearer s3cret", "Authorization: s3cret\r\nX: y"])
def test_a_header_that_is_refused_is_not_shown(capsys: pytest.CaptureFixture[str], value: str) -> None:
    """What may be a token does not appear in the message."""
    assert "s3cret" not in usage_error(capsys, "http://a.test/", "-H", value)


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the version; --help every option, the exit codes and an example, within 80 columns."""
    for option in ("--version", "--help"):
        with pytest.raises(SystemExit) as caught:
            main([option])
        assert caught.value.code == 0
    version, help_text = capsys.readouterr().out.split("\n", 1)
    assert version == f"sse-client {__version__}"
    for option in (
        *("--json", "-H", "-X", "-d", "--last-event-id", "--limit", "--no-reconnect", "--cacert", "--no-color", "-v"),
        *("--version", "--demo", "--seconds"),
    ):
        assert re.search(rf"^  {option}[ ,\n]", help_text, re.MULTILINE)
    assert "exit codes:\n  0 " in help_text
    assert all(f"\n  {code}  " in help_text for code in ("1  ", "2  ", "130"))
    assert max(map(len, help_text.splitlines())) <= 80


# What is asked for


def settings(*arguments: str) -> dict[str, Any]:
    """What the source is made with for these arguments."""
    return source_settings(parse(make_parser(), ["http://a.test/", *arguments]))


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """The bytes that come from stdin, whose text encoding must not matter."""
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(raw, encoding="ascii"))
    return raw


def wrong(*arguments: str) -> str:
    """The message for what can be found out only from files."""
    with pytest.raises(ValueError, match=r"^argument -") as caught:
        settings(*arguments)
    return str(caught.value)


def test_without_options_it_is_a_plain_get() -> None:
    """By default there are no headers, no body, the system's authorities, and reconnecting as the library does."""
    assert settings() == {"headers": {}, "method": "GET", "body": None, "last_event_id": "", "ssl_context": None}


def test_reconnecting_is_switched_off() -> None:
    """--no-reconnect is no policy, also for a method that has none by default."""
    assert settings("--no-reconnect")["reconnect"] is None
    assert settings("--no-reconnect", "-X", "POST")["reconnect"] is None
    assert "reconnect" not in settings("-X", "POST")


def test_headers_given_twice_are_one_list() -> None:
    """Blanks around a value do not count; a name in any case is one name, as first written; a value may hold colons."""
    given = settings("-H", "X-Key:  a:b ", "-H", "Accept: c", "-H", "accept:\td", "-H", "X-Empty:")["headers"]
    assert given == {"X-Key": "a:b", "Accept": "c, d", "X-Empty": ""}


def test_headers_from_a_file(tmp_path: Path) -> None:
    """-H @FILE has a header a line, whatever the ends of lines; empty lines do not count; more may be given beside."""
    path = tmp_path / "headers"
    path.write_bytes(b"\xef\xbb\xbfAuthorization: Bearer s3cret\r\n\r\n \nX-Name: \xc3\xa9\xe2\x80\xa8 \nAccept: a")
    given = settings("-H", f"@{path}", "-H", "accept: b")["headers"]
    assert given == {"Authorization": "Bearer s3cret", "X-Name": "é\u2028", "Accept": "a, b"}
    path.write_bytes(b"")
    assert settings("-H", f"@{path}")["headers"] == {}


def test_headers_from_stdin(stdin: io.BytesIO) -> None:
    """-H @- reads the headers from stdin."""
    stdin.write("X-Name: é\n".encode())
    stdin.seek(0)
    assert settings("-H", "@-")["headers"] == {"X-Name": "é"}


def test_a_file_of_headers_that_is_wrong_is_named_and_not_shown(tmp_path: Path) -> None:
    """The message has the file and the line, and nothing of what it holds."""
    path = tmp_path / "headers"
    path.write_text("X-Key: 1\n\ns3cret\n", encoding="utf-8")
    expected = f"argument -H/--header: line 3 of {str(path)!r}: expected 'Name: value', and there is no colon"
    assert wrong("-H", f"@{path}") == expected
    path.write_text("Authorization: s3cret", encoding="utf-16")
    assert wrong("-H", f"@{path}") == f"argument -H/--header: {str(path)!r} is not UTF-8"


def test_data_makes_a_post_unless_a_method_is_given() -> None:
    """-d implies POST, also if it is empty; -X says otherwise, and needs no body. No header is added."""
    assert {"method": "POST", "body": b"a=b"}.items() <= settings("-d", "a=b").items()
    assert {"method": "POST", "body": b""}.items() <= settings("-d", "").items()
    assert {"method": "QUERY", "body": b"{}", "headers": {}}.items() <= settings("-d", "{}", "-X", "QUERY").items()
    assert {"method": "GET", "body": b"x"}.items() <= settings("-d", "x", "-X", "GET").items()
    assert {"method": "POST", "body": None}.items() <= settings("--method", "POST").items()


def test_data_is_sent_as_it_is(tmp_path: Path, stdin: io.BytesIO) -> None:
    """The bytes of an argument, of a file or of stdin are the body: no line end is touched, nothing decoded."""
    data = b"\xff\x00 a\r\nb\n\xc3\xa9\n"
    path = tmp_path / "data"
    path.write_bytes(data)
    assert settings("-d", f"@{path}")["body"] == data
    stdin.write(data)
    stdin.seek(0)
    assert settings("--data", "@-")["body"] == data
    assert settings("-d", os.fsdecode(b"a\n\xc3\xa9"))["body"] == b"a\n\xc3\xa9"


@pytest.mark.skipif(os.name != "posix", reason="arguments are bytes on POSIX")
def test_data_may_be_no_text() -> None:
    """An argument that the locale cannot decode is sent as the bytes that it was."""
    assert settings("-d", os.fsdecode(b"\xff\xe9"))["body"] == b"\xff\xe9"


def test_without_stdin_there_is_nothing_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started with stdin closed, @- is wrong usage."""
    monkeypatch.setattr("sys.stdin", None)
    assert wrong("-d", "@-") == "argument -d/--data: there is no stdin to read"


def test_stdin_that_cannot_be_read_is_wrong_usage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An error of the system's while reading is told with the option."""
    with open(tmp_path / "written", "w", encoding="utf-8") as unreadable:
        monkeypatch.setattr("sys.stdin", unreadable)
        assert wrong("-d", "@-").startswith("argument -d/--data: cannot read '-': ")


def test_authorities_from_a_file_replace_the_systems(tmp_path: Path) -> None:
    """--cacert trusts what is in the file, and that alone; names are still checked."""
    path = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    context = settings("--cacert", str(path))["ssl_context"]
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_damaged_certificate_is_wrong_usage(tmp_path: Path) -> None:
    """A file that only looks like a certificate is told in plain words."""
    path = tmp_path / "authority.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", encoding="ascii")
    assert wrong("--cacert", str(path)) == (
        f"argument --cacert: there is no certificate in {str(path)!r}, or none in PEM format"
    )
