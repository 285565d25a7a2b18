from __future__ import annotations

import base64

import pytest

from sse_client._http.url import check_url, origin_of, split_credentials, without_secrets


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://example.com/",
        "HTTPS://EXAMPLE.com:8443/a?b=c#d",
        "http://[::1]:8000/",
        "http://user:pass@example.com/",
        "http://bücher.example/straße?q=ü",
    ],
)
def test_urls(url: str) -> None:
    """Absolute http and https URLs are taken as they are."""
    assert check_url(url) == url


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
        check_url(url)


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
        check_url(url)
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
        check_url(url)
    assert "did you mean" not in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://u:s3/cret@host/", "http://u:s3?cret@host/", "http://u:s3#c@ret@host"])
def test_a_password_that_cuts_the_url(url: str) -> None:
    """A password that ends the host before its time is what the message is about, and is not shown."""
    with pytest.raises(ValueError, match=r"not a number .*; in user and password, percent-encode / as %2F") as raised:
        check_url(url)
    assert "s3" not in str(raised.value)
    assert "cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://u:p@host:port/", "http://u:p@host:port"])
def test_a_port_that_is_no_number(url: str) -> None:
    """A wrong port behind a password that is in order is no reason to speak of the password."""
    with pytest.raises(ValueError, match=r"from 1 to 65535$"):
        check_url(url)


def test_url_of_another_type() -> None:
    """What is not a str is refused with its type."""
    with pytest.raises(TypeError, match="url must be a str or a function that returns one, not bytes"):
        check_url(b"http://example.com/")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["http://u:s3cret@h:s3cret/", "http://u:s3cret@[s3cret]/", "s3cret://s3cret/?s3cret"[7:]]
)
def test_wrong_urls_are_not_shown(url: str) -> None:
    """The error about a wrong URL does not quote it: it may hold a password."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - any message, so long as it is discreet
        check_url(url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://example.com/a?b#c", "http://example.com"),
        ("http://example.com:80/", "http://example.com"),
        ("https://example.com:443/", "https://example.com"),
        ("https://example.com:80/", "https://example.com:80"),
        ("HTTP://Example.COM:8080", "http://example.com:8080"),
        ("http://user:pass@example.com/", "http://example.com"),
        ("http://[2001:DB8::1]:8000/", "http://[2001:db8::1]:8000"),
        ("http://bücher.example/", "http://xn--bcher-kva.example"),
        (f"http://{'ü' * 80}.example/", f"http://{'ü' * 80}.example"),
    ],
)
def test_origin(url: str, origin: str) -> None:
    """The origin is the scheme, the host in lower case and the port if it is not the scheme's own."""
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://user:s3cret@example.com/a/b?token=s3cret#s3cret", "https://example.com/a/b?..."),
        ("https://s3cret@example.com:8443/", "https://example.com:8443/"),
        ("http://[::1]:1/x?", "http://[::1]:1/x"),
    ],
)
def test_without_secrets(url: str, shown: str) -> None:
    """What is shown of a URL has no user, password, query or fragment."""
    assert without_secrets(url) == shown


@pytest.mark.parametrize(
    ("url", "bare", "credential"),
    [
        ("http://example.com/a?b=c#d", "http://example.com/a?b=c", None),
        ("http://user:pass@example.com/", "http://example.com/", b"user:pass"),
        ("http://user@example.com/", "http://example.com/", b"user:"),
        ("http://:pass@example.com/", "http://example.com/", b":pass"),
        ("http://us%40er:p%3Aa%2Fss@example.com:1/", "http://example.com:1/", b"us@er:p:a/ss"),
        ("http://us@er:pä%C3%A4@[::1]:1/", "http://[::1]:1/", "us@er:pää".encode()),
        ("http://user@Bücher.example:8080/ü#d", "http://xn--bcher-kva.example:8080/ü", b"user:"),
        ("http://straße.example/", "http://straße.example/", None),  # another name in the codec's IDNA of 2003
    ],
)
def test_split_credentials(url: str, bare: str, credential: bytes | None) -> None:
    """User and password leave the URL and make a Basic credential in UTF-8."""
    expected = None if credential is None else "Basic " + base64.b64encode(credential).decode()
    assert split_credentials(url) == (bare, expected)
