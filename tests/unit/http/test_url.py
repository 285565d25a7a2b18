from __future__ import annotations

import base64
import copy
import dataclasses
import ipaddress
import json
import logging
import pickle
import random
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from urllib3.util import parse_url

from sse_client._http.headers import Headers
from sse_client._http.message import Request
from sse_client._http.url import Url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://example.com", "http://example.com/"),
        ("https://example.com/", "https://example.com/"),
        ("HTTPS://EXAMPLE.com:8443/A?B=c#d", "https://example.com:8443/A?B=c"),
        ("http://[::1]:8000/", "http://[::1]:8000/"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
        ("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
        ("http://user:pass@example.com/", "http://example.com/"),
        ("http://bücher.example/straße?q=ü", "http://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%BC"),
        ("http://example.com?a=b", "http://example.com/?a=b"),
        ("http://example.com:/?", "http://example.com/"),
        ("http://example.com:00080/", "http://example.com/"),
        ("http://example.com./", "http://example.com./"),
        ("http://my_host-1/a%2fb/%7e?c\\d", "http://my_host-1/a%2fb/%7e?c\\d"),
        ("http://127.0.0.1:8080/a//b;c=d", "http://127.0.0.1:8080/a//b;c=d"),
        ("http://1.2.3.4.example/", "http://1.2.3.4.example/"),
    ],
)
def test_addresses(url: str, address: str) -> None:
    """A URL becomes what is sent: in ASCII, the host in one form, without login and fragment."""
    assert Url.parse(url).address == address
    assert Url.parse(address) == Url.parse(address)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "must start with http:// or https://, not with 'no scheme'"),
        ("/events", "must start with http:// or https://, not with 'no scheme'"),
        ("example.com/events", "must start with http:// or https://"),
        ("ftp://example.com/", "not with 'ftp'"),
        ("file:///etc/passwd", "not with 'file'"),
        ("http:///events", "must name a host"),
        ("http://:80/", "must name a host"),
        ("http://example.com:0/", "must not name port 0"),
        ("http://example.com:port/", "malformed: its port"),
        ("http://example.com:65536/", "malformed: its port"),
        ("http://[::1/", "malformed: its host"),
        ("http://ex_a%mple/", "malformed: its host"),
        ("http://user@example%4/", "malformed: its host"),
        ("http://example.com/a b", "must not contain spaces or control characters"),
        (" http://example.com/", "must not contain spaces or control characters"),
        ("http://example.com/\n", "must not contain spaces or control characters"),
        ("http://example.com/\x7f", "must not contain spaces or control characters"),
    ],
)
def test_wrong_urls(url: str, message: str) -> None:
    """Anything else is refused with the reason."""
    with pytest.raises(ValueError, match=message):
        Url.parse(url)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("127.0.0.1:8080/feed", "http://127.0.0.1:8080/feed"),
        ("example.com/feed", "http://example.com/feed"),
        ("example.com", "http://example.com/"),
        ("localhost:8080", "http://localhost:8080/"),
        ("localhost/feed", "http://localhost/feed"),
        ("[::1]:8080/feed", "http://[::1]:8080/feed"),
        ("user:s3cret@example.com/feed?token=s3cret#s3cret", "http://example.com/feed"),
        ("s3cret:@example.com/feed", "http://example.com/feed"),
        ("example.com/?next=http://s3cret.example/", "http://example.com/"),
    ],
)
def test_a_url_without_its_scheme(url: str, meant: str) -> None:
    """Where only the scheme is missing, the message says what may have been meant, without secrets."""
    with pytest.raises(ValueError, match="must start with http:// or https://") as raised:
        Url.parse(url)
    assert str(raised.value).endswith(f"; did you mean {meant}?")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "/feed.xml",
        "feed",
        "ftp://example.com/",
        "htp://example.com",
        "s3cret:s3cret/s3cret@host",
        "s3.cret/s3cret@host",
        "s3cret:123/s3cret@host",
        "s3cret:123?s3cret@host",
        "s3cret:123#s3cret@host",
    ],
)
def test_what_may_have_been_meant_is_not_guessed(url: str) -> None:
    """Where no host can be told, or a password may be cut in two, nothing is suggested."""
    with pytest.raises(ValueError, match="must start with http:// or https://") as raised:
        Url.parse(url)
    assert "did you mean" not in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://u:s3/cret@host/", "http://u:s3?cret@host/", "http://u:s3#c@ret@host"])
def test_a_password_that_cuts_the_url(url: str) -> None:
    """A password that ends the host before its time is what the message is about, and is not shown."""
    with pytest.raises(ValueError, match=r"not a number .*; in user and password, percent-encode / as %2F") as raised:
        Url.parse(url)
    assert "s3" not in str(raised.value)
    assert "cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://u:p@host:port/", "http://u:p@host:port"])
def test_a_port_that_is_no_number(url: str) -> None:
    """A wrong port behind a password that is in order is no reason to speak of the password."""
    with pytest.raises(ValueError, match=r"from 1 to 65535$"):
        Url.parse(url)


def test_url_of_another_type() -> None:
    """What is not a str is refused with its type."""
    with pytest.raises(TypeError, match="url must be a str or a function that returns one, not bytes"):
        Url.parse(b"http://example.com/")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["http://u:s3cret@h:s3cret/", "http://u:s3cret@[s3cret]/", "s3cret://s3cret/?s3cret"[7:]]
)
def test_wrong_urls_are_not_shown(url: str) -> None:
    """The error about a wrong URL does not quote it: it may hold a password."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - any message, so long as it is discreet
        Url.parse(url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "host",
    [
        "127%2e0%2e0%2e1",
        "good.example%40",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "127.0.0.0x1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.256",
        "127.0.0.1.",
        "1.2.3.4.5",
        "a.0x",
        "\uff11\uff12\uff17.0.0.1",  # full-width digits
        "127\u30020\u30020\u30021",  # ideographic full stops
        "\u2460.0.0.1",
        "\uff47ood.example",
        "go\u00adod.example",  # a soft hyphen, which IDNA drops
        "straße.example",
        "faß.de",
        "bücher\u3002example",
        "ü" * 80,
        "ü" * 100_000,
        "a..example",
        ".example",
        "example..",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "good.example\\",
        "a|b",
        "a^b",
        "a<b",
        'a"b',
        "a,b",
        "*",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[::1]a",
        "[127.0.0.1]",
        "[::1",
        "::1",
        "[v1.a]",
    ],
)
@pytest.mark.parametrize("where", ["http://{}/", "http://user@{}:80/", "//{}/"])
def test_hosts_that_parsers_read_differently(host: str, where: str) -> None:
    """A host that another parser may take for another one is refused, by a redirect too."""
    url = where.format(host)
    with pytest.raises(ValueError, match="url "):
        Url.parse("http://example.com/").join(url) if url.startswith("//") else Url.parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1\\.good.example/",
        "http://good.example\\@evil.example/",
        "http://example.com/a\\b",
        "http:\\\\example.com/",
        "http:/example.com/",
        "http:example.com",
        "http:///example.com/",
        "http:////example.com/",
        "http://a@b@example.com/",
        "http://a:b@c@example.com/",
        "http://[a@example.com/",
        "http://a:b]@example.com/",
        "http://[::1]@example.com/",
        "http://exam\tple.com/",
        "http://example.com/\u0000",
        "http://example.com/\ud800",
        "http://example.com:+80/",
        "http://example.com:8_0/",
        "http://example.com:\u0668\u0660/",
        "http://example.com:80:80/",
        "http://example.com:000080/",
    ],
)
def test_urls_that_parsers_read_differently(url: str) -> None:
    """So is a URL whose host, port or path another parser may find elsewhere."""
    with pytest.raises(ValueError, match="url "):
        Url.parse(url)
    with pytest.raises(ValueError, match="url "):
        Url.parse("http://example.com/x").join(url)


PIECES = "a b.c 127.0.0.1 [::1] 1 0x7f . .. - _ : 80 @ %41 % / // ? # \\ ü xn--a u:p & é.example [ ] ~ * \u3000 \uff0e"


@pytest.mark.parametrize("seed", range(10))
def test_other_parsers_find_the_same_host(seed: int) -> None:
    """Whatever is accepted, urllib3 and the standard library find the same host and port in it and in its address."""
    choice = random.Random(seed)
    accepted = 0
    for _ in range(3000):
        text = "http://" + "".join(choice.choice(PIECES.split(" ")) for _ in range(choice.randrange(6)))
        try:
            url = Url.parse(text)
        except ValueError:
            continue
        accepted += 1
        for other in (parse_url(url.address), urlsplit(url.address), *([urlsplit(text)] if text.isascii() else [])):
            host = (other.hostname or "").strip("[]")
            assert ipaddress.ip_address(host).compressed == url.host if ":" in host else host == url.host, text
            assert (other.port or 80) == url.port, text
    assert accepted > 100


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("https://other.example/a?b#c", "https://other.example/a?b"),
        ("//other.example/a", "http://other.example/a"),
        ("/a/../b", "http://example.com:81/b"),
        ("a", "http://example.com:81/x/a"),
        ("../a", "http://example.com:81/a"),
        ("?a", "http://example.com:81/x/y?a"),
        ("#a", "http://example.com:81/x/y?z=1"),
        ("/a:b@c", "http://example.com:81/a:b@c"),
    ],
)
def test_references(location: str, address: str) -> None:
    """A reference is resolved against the URL; the login does not come along."""
    joined = Url.parse("http://user:s3cret@example.com:81/x/y?z=1").join(location)
    assert (joined.address, joined.authorization) == (address, None)


@pytest.mark.parametrize(
    "location", ["///evil.example/", "/\\evil.example/", "\\\\evil.example/", "/a\tb", "//", "//:1/"]
)
def test_references_that_parsers_read_differently(location: str) -> None:
    """A reference that some programs take for another host is refused."""
    with pytest.raises(ValueError, match="url "):
        Url.parse("http://example.com/x").join(location)


@pytest.mark.parametrize(
    ("url", "origin", "host", "port"),
    [
        ("http://example.com/a?b#c", "http://example.com", "example.com", 80),
        ("http://example.com:80/", "http://example.com", "example.com", 80),
        ("https://example.com:443/", "https://example.com", "example.com", 443),
        ("https://example.com:80/", "https://example.com:80", "example.com", 80),
        ("HTTP://Example.COM:8080", "http://example.com:8080", "example.com", 8080),
        ("http://user:pass@example.com/", "http://example.com", "example.com", 80),
        ("http://[2001:DB8::1]:8000/", "http://[2001:db8::1]:8000", "2001:db8::1", 8000),
        ("http://bücher.example/", "http://xn--bcher-kva.example", "xn--bcher-kva.example", 80),
    ],
)
def test_origin(url: str, origin: str, host: str, port: int) -> None:
    """The origin is the scheme, the host in lower case and the port if it is not the scheme's own."""
    parsed = Url.parse(url)
    assert (parsed.origin, parsed.host, parsed.port) == (origin, host, port)
    assert parsed.scheme == origin.partition(":")[0]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://user:s3cret@example.com/a/b?token=s3cret#s3cret", "https://example.com/a/b?..."),
        ("https://s3cret@example.com:8443/", "https://example.com:8443/"),
        ("http://[::1]:1/x?", "http://[::1]:1/x"),
        ("http://example.com/\u202egnp.exe", "http://example.com/%E2%80%AEgnp.exe"),
    ],
)
def test_what_is_shown(url: str, shown: str) -> None:
    """What is shown of a URL has no user, password, query or fragment, and is ASCII."""
    assert str(Url.parse(url)) == shown


@pytest.mark.parametrize(
    ("url", "credential"),
    [
        ("http://example.com/a?b=c#d", None),
        ("http://@example.com/", b":"),
        ("http://user:pass@example.com/", b"user:pass"),
        ("http://user@example.com/", b"user:"),
        ("http://:pass@example.com/", b":pass"),
        ("http://us%40er:p%3Aa%2Fs:s@example.com:1/", b"us@er:p:a/s:s"),
        ("http://user:pä%C3%A4@[::1]:1/", "user:pää".encode()),
    ],
)
def test_credentials(url: str, credential: bytes | None) -> None:
    """User and password make a Basic credential in UTF-8."""
    expected = None if credential is None else "Basic " + base64.b64encode(credential).decode()
    assert Url.parse(url).authorization == expected


SECRETIVE = Url.parse("https://us3r:s3cret@example.com/builds?token=s3cret#s3cret")
SHOWN = "https://example.com/builds?..."


@dataclasses.dataclass
class Holder:
    url: Url
    headers: Headers


def logged(format_and_arguments: tuple[Any, ...]) -> str:
    record = logging.LogRecord("test", logging.INFO, "file", 1, format_and_arguments[0], format_and_arguments[1:], None)
    return logging.Formatter().format(record)


def raised(error: Exception) -> str:
    try:
        raise error
    except type(error) as caught:
        lines = traceback.TracebackException.from_exception(caught, capture_locals=True).format()
        return f"{caught} {caught!r} {''.join(lines)}"


@pytest.mark.parametrize(
    "shown",
    [
        str,
        repr,
        ascii,
        lambda url: f"{url}",
        lambda url: f"{url!r}",
        lambda url: f"{url:>60}",
        lambda url: f"{url=}",
        lambda url: f"{[url]} {(url,)} { {url: url} }",
        lambda url: "%s" % url,  # noqa: UP031 - what old programs do
        lambda url: "%r" % url,  # noqa: UP031
        "{}".format,
        lambda url: logged(("to %s", url)),
        lambda url: logged((url,)),
        lambda url: raised(ValueError(url)),
        lambda url: raised(KeyError(url)),
        lambda url: json.dumps({"url": url}, default=str),
        lambda url: json.dumps({"url": url}, default=repr),
        lambda url: repr(Holder(url, Headers({"Authorization": "s3cret"}))),
        lambda url: repr(Request("GET", url, Headers({"X": "s3cret"}), b"s3cret", "s3cret")),
        lambda url: raised(ValueError(Request("GET", url, Headers({"X": "s3cret"}), b"s3cret", "s3cret"))),
        lambda url: str(str(url).encode()),
    ],
)
def test_no_way_of_printing_shows_a_secret(shown: Callable[[Url], str]) -> None:
    """However a Url gets into a text, login, query and fragment do not."""
    text = shown(SECRETIVE)
    assert SHOWN in text
    for secret in ("s3cret", "us3r", str(SECRETIVE.authorization)):
        assert secret not in text


@pytest.mark.parametrize("ways", [pickle.dumps, json.dumps, vars, copy.deepcopy, copy.copy, dataclasses.asdict, bytes])
def test_what_would_keep_a_secret_is_refused(ways: Callable[[Any], Any]) -> None:
    """A Url is not pickled, copied or taken apart; the error shows no secret."""
    with pytest.raises(TypeError) as caught:
        ways(SECRETIVE)
    assert "s3cret" not in str(caught.value)


def test_equality() -> None:
    """URLs are equal if they ask for the same with the same login, and hash accordingly."""
    assert Url.parse("http://example.com:80") == Url.parse("HTTP://EXAMPLE.com/#top")
    assert (
        len({Url.parse("http://a@h/"), Url.parse("http://b@h/"), Url.parse("http://h/?a"), Url.parse("http://h/")}) == 4
    )
    assert Url.parse("http://h/") != "http://h/"


def test_a_url_does_not_change() -> None:
    """Its attributes cannot be set."""
    with pytest.raises(AttributeError, match="cannot be changed"):
        SECRETIVE.host = "evil.example"
