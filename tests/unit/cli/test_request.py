"""What the command's options ask of a source: headers, body, login, certificates, reconnecting."""

from __future__ import annotations

import io
import os
import ssl
from pathlib import Path
from typing import Any, Optional
from unittest import mock

import pytest
import trustme

from sse_client import ReconnectPolicy
from sse_client.cli.options import make_parser, parse
from sse_client.cli.request import make_policy, make_stream

URL = "http://a.test/"


def settings(*arguments: str, url: str = URL, **environ: str) -> dict[str, Any]:
    """What the source is made with for these arguments, and this environment."""
    with mock.patch("sse_client.cli.request.EventSource") as source:
        make_stream(parse(make_parser(), [url, *arguments]), environ)
    (given,), keywords = source.call_args
    assert given == url
    result: dict[str, Any] = keywords
    return result


def policy(*arguments: str, is_repeatable: bool = True) -> Optional[ReconnectPolicy]:
    """How the stream is made again for these arguments."""
    return make_policy(parse(make_parser(), [URL, *arguments]), is_repeatable=is_repeatable)


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
    assert settings() == {
        "headers": {},
        "method": "GET",
        "body": None,
        "connect_timeout": 10.0,
        "response_timeout": 300.0,
        "idle_timeout": 300.0,
        "proxy": None,
        "ssl_context": None,
    }
    assert policy() == ReconnectPolicy()


def test_how_a_connection_is_made_again() -> None:
    """--no-reconnect is no policy; a request that may not be repeated has none unless options say how to repeat it."""
    assert policy("--no-reconnect") is None
    assert policy(is_repeatable=False) is None
    assert policy("--retries", "0", is_repeatable=False) == ReconnectPolicy(max_attempts=1)
    assert policy("--patient") == policy("--patient", is_repeatable=False) == ReconnectPolicy.patient()
    assert policy("--patient", "--retries", "2") == ReconnectPolicy.patient(max_attempts=3)
    assert policy("--retries", "3", "--retry", "0.5") == ReconnectPolicy(max_attempts=4, reconnection_time=0.5)


def test_time_outs() -> None:
    """--idle-timeout is one limit of silence, before the head and after it; 0 is no limit."""
    given = settings("--connect-timeout", "2.5", "--idle-timeout", "7")
    assert [given[f"{name}_timeout"] for name in ("connect", "response", "idle")] == [2.5, 7.0, 7.0]
    given = settings("--connect-timeout", "0", "--idle-timeout", "0")
    assert [given[f"{name}_timeout"] for name in ("connect", "response", "idle")] == [None, None, None]


def authorization(*arguments: str, url: str = URL, **environ: str) -> Optional[str]:
    """The Authorization header that is given to the source."""
    value: Optional[str] = settings(*arguments, url=url, **environ)["headers"].get("Authorization")
    return value


def test_a_login_on_the_command_line() -> None:
    """-u is Basic authentication in the bytes that were given; the password begins after the first colon."""
    assert authorization("-u", "me:pass:word") == "Basic bWU6cGFzczp3b3Jk"
    assert authorization("-u", "é:") == "Basic w6k6"


def test_a_password_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """-u without a password asks for one; where there is nobody to ask, that is wrong usage."""
    asked = mock.Mock(return_value="word")
    monkeypatch.setattr("getpass.getpass", asked)
    assert authorization("-u", "me") == "Basic bWU6d29yZA=="
    asked.assert_called_once_with("Password for me: ")
    asked.side_effect = EOFError
    assert wrong("-u", "me").startswith("argument -u/--user: there is no terminal to ask for the password at")


def test_the_token_of_the_environment_comes_last() -> None:
    """SSE_AUTHORIZATION is the header unless one is given, or a login, in the URL too."""
    token = {"SSE_AUTHORIZATION": "Bearer t"}
    assert authorization(**token) == "Bearer t"
    assert authorization("-H", "authorization: x", **token) is None  # the given one has another case
    assert authorization("-u", "me:pw", **token) == "Basic bWU6cHc="
    assert authorization(url="http://me:pw@a.test/", **token) is None
    assert authorization(SSE_AUTHORIZATION="") is None
    with pytest.raises(ValueError, match=r"^SSE_AUTHORIZATION in the environment cannot have a CR, LF or NUL in it$"):
        settings(SSE_AUTHORIZATION="a\nb")


def test_json_is_posted_with_its_type(tmp_path: Path) -> None:
    """--json-data sends the JSON as it was written, under its type unless another one is given."""
    path = tmp_path / "question.json"
    path.write_bytes(b'{ "a":1.10 }\n')
    given = settings("--json-data", f"@{path}")
    assert {"method": "POST", "body": b'{ "a":1.10 }\n', "headers": {"Content-Type": "application/json"}}.items() <= (
        given.items()
    )
    assert settings("--json-data", "1", "-H", "content-type: a/b")["headers"] == {"content-type": "a/b"}


def test_no_certificate_is_checked_with_insecure() -> None:
    """-k checks neither certificate nor name."""
    context = settings("-k")["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


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
