from __future__ import annotations

import time
import warnings

import pytest

from sse_client._http.cookies import Cookies
from sse_client._http.url import Url

URL = Url.parse("http://example.test/builds/stream")


def after(*set_cookie: str, url: Url = URL) -> Cookies:
    """The cookies after one response from ``url``."""
    cookies = Cookies()
    cookies.store(url, [("Content-Type", "text/event-stream"), *(("Set-Cookie", value) for value in set_cookie)])
    return cookies


def test_without_cookies() -> None:
    """Where no server has set a cookie, no header is sent."""
    assert after().header(URL) is None


def test_back_to_the_origin() -> None:
    """What an origin has set goes back to it."""
    assert after("session=abc; Path=/; HttpOnly", "node=7; Path=/").header(URL) == "session=abc; node=7"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.test:8080/builds/stream",
        "https://example.test/builds/stream",
        "http://other.test/builds/stream",
        "http://api.example.test/builds/stream",
    ],
)
def test_to_no_other_origin(url: str) -> None:
    """No cookie goes to another port, scheme or host, not even within the domain that it names."""
    assert after("session=abc; Path=/; Domain=example.test", "b=1").header(Url.parse(url)) is None


def test_not_for_another_host() -> None:
    """A cookie that a server sets for a domain that is not its own is dropped."""
    assert after("session=abc; Domain=other.test; Path=/").header(URL) is None


def test_path() -> None:
    """A cookie goes to the paths that it is for."""
    cookies = after("here=1; Path=/builds", "there=1; Path=/other", "default=1")
    assert cookies.header(URL) == "here=1; default=1"
    assert cookies.header(Url.parse("http://example.test/other")) == "there=1"


def test_secure() -> None:
    """A Secure cookie goes to an origin with TLS only."""
    assert after("a=1; Secure").header(URL) is None
    url = "https://example.test/"
    assert after("a=1; Secure", url=Url.parse(url)).header(Url.parse(url)) == "a=1"


def test_expiry() -> None:
    """Max-Age is obeyed, and a cookie that is set again with Max-Age=0 is gone."""
    cookies = after("short=1; Max-Age=1", "long=1; Max-Age=3600")
    assert cookies.header(URL) == "short=1; long=1"
    cookies.store(URL, [("set-cookie", "long=; Max-Age=0")])
    assert cookies.header(URL) == "short=1"
    now = time.time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: now() + 2)
        assert cookies.header(URL) is None


def test_overwriting() -> None:
    """The latest value counts."""
    cookies = after("session=abc")
    cookies.store(URL, [("Set-Cookie", "session=def")])
    assert cookies.header(URL) == "session=def"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/", "http://[::1]:8000/", "http://localhost/", "http://box/"])
def test_hosts_without_a_domain(url: str) -> None:
    """Addresses and single names, too, get their cookies back."""
    assert after("session=abc; Path=/", url=Url.parse(url)).header(Url.parse(url)) == "session=abc"


def test_a_server_that_sets_ever_new_cookies() -> None:
    """However many cookies a server sets, a bounded number is kept."""
    cookies = Cookies()
    most = 0
    for n in range(1000):
        cookies.store(URL, [("Set-Cookie", f"c{n}=1")])
        most = max(most, len((cookies.header(URL) or "").split(";")))
    assert 1 < most <= 200


@pytest.mark.parametrize("set_cookie", ["a=b; Max-Age=0", "a=b; Domain=other.test", "a", "a=b"])
def test_ever_new_origins(set_cookie: str) -> None:
    """Redirects from origin to origin leave nothing behind where nothing is kept, and a bounded number otherwise."""
    cookies = Cookies()
    for n in range(1000):
        cookies.store(Url.parse(f"http://127.0.0.1:{n + 1}/"), [("Set-Cookie", set_cookie)])
    assert len(cookies._by_origin) <= (200 if set_cookie in ("a", "a=b") else 0)


def test_origins_whose_cookies_have_expired() -> None:
    """An origin whose cookies are all past their time leaves nothing behind, either."""
    cookies = after("a=1; Max-Age=1")
    now = time.time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: now() + 2)
        assert cookies.header(URL) is None
        cookies.store(Url.parse("http://other.test/"), [("Set-Cookie", "b=1")])
        assert len(cookies._by_origin) == 1
    assert cookies.header(Url.parse("http://other.test/")) == "b=1"


@pytest.mark.parametrize(("length", "kept"), [(4096, True), (4097, False)])
def test_long_cookies(length: int, kept: bool) -> None:
    """What is longer than any cookie that a browser takes is none; the others of the response count."""
    long = "a=1; x=".ljust(length, "x")
    assert after("b=2", long, "c=3").header(URL) == ("b=2; a=1; c=3" if kept else "b=2; c=3")


@pytest.mark.parametrize(
    ("attributes", "kept"),
    [
        ("Max-Age", True),
        ("Max-Age=", True),
        ("Max-Age=x", True),
        ("Max-Age=+5", True),
        ("Max-Age=\u0665", True),
        ("Max-Age=" + "9" * 4000, True),
        ("Max-Age=-" + "9" * 4000, False),
        ("Max-Age=-1", False),
        ("Max-Age=0", False),
        ("Max-Age=0; Max-Age=60", True),
        ("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
        ("Expires", True),
        ("Expires=yesterday", True),
        ("Expires=" + " " * 4000, True),
        ("Expires=" + "," * 4000, True),
        ("Expires=" + "1 " * 2000, True),
        ("Expires=" + ":" * 4000, True),
        ("Expires=" + "0:0:0 " * 600, True),
        ("Expires=" + "(" * 4000, True),
        ("Expires=01-Jan-" + "9" * 4000 + " 00:00:00 GMT", True),
        ("Expires=Mon, 99 Foo 9999999 99:99:99 GMT", True),
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT", False),
        ("Expires=Thursday, 01-Jan-70 00:00:00 GMT", False),
        ("Expires=Thu Jan  1 00:00:00 1970", False),
        ("expires=jan 1 1970 0:0:0", False),
        ("Expires=Fri, 31 Dec 9999 23:59:59 GMT", True),
        ("Expires=Thu, 01 Jan 69 00:00:00 GMT", True),
        ("Expires=Thu, 30 Feb 1990 00:00:00 GMT", True),
        ("Expires=Thu, 01 Jan 1600 00:00:00 GMT", True),
        ("Version", True),
        ("Version=x", True),
        ("Version=1; Port", True),
        ('Version=1; Port="80,x"', True),
        ('Comment="a\\"b; c', True),
        ("Domain", True),
        ("Domain=", True),
        ("Domain=.", True),
        ("Domain=...", False),
        ("Domain=test", True),
        ("Domain=other.test", False),
        ("Path", True),
        ("Path=", True),
        ("Path=builds", True),
        ("Path=\\", True),
        ('=; ;; =x; "', True),
        ("x" * 4000, True),
        ("x=" + '"' * 4000, True),
        ("x=" + "\\" * 4000, True),
    ],
)
def test_attributes_that_make_no_sense(attributes: str, kept: bool) -> None:
    """A wrong attribute is as if it were not there; the cookie, and those beside it, are kept; none takes long."""
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cookies = after(*[f"a=1; {attributes}"] * 15, "good=1")
    assert cookies.header(URL) == ("a=1; good=1" if kept else "good=1")
    assert time.perf_counter() - began < 0.2


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("", None),
        ("=", None),
        (";", None),
        ("; Path=/", None),
        ("a", "a"),
        ("=a", "a"),
        ("a=", "a="),
        (" a = b c ", "a=b c"),
        ("a=b=c", "a=b=c"),
        ('a="b; c"', 'a="b'),
        ('a="', 'a="'),
        ("\xff\xfe=\x80", "\xff\xfe=\x80"),
        ("a=\x00", None),
        ("a=b\x0bc", None),
        ("a=b\x7f", None),
        ("a=b\r\n c", "a=b c"),
        (";" * 10_000, None),
        ("a=" + "x" * 60_000, None),
    ],
)
def test_odd_cookies(value: str, sent: str | None) -> None:
    """Whatever a server sets, nothing is raised or warned of, and what is sent back has no control character."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cookies = after(value)
        assert cookies.header(URL) == sent
        cookies.store(URL, [("Set-Cookie", "good=1; Path=/")])
    assert "good=1" in (cookies.header(URL) or "")


def test_longer_paths_come_first() -> None:
    """A cookie for a longer path is sent before those for shorter ones, whenever it was set."""
    assert after("a=1; Path=/", "b=2; Path=/builds/stream", "c=3; Path=/builds/").header(URL) == "b=2; c=3; a=1"


def test_paths_end_at_a_slash() -> None:
    """A path covers what is below it, and not what only begins with the same characters."""
    cookies = after("a=1; Path=/builds")
    sent = {path: cookies.header(URL.join(path)) for path in ("/builds", "/builds/x", "/builds?x", "/buildsx", "/")}
    assert sent == {"/builds": "a=1", "/builds/x": "a=1", "/builds?x": "a=1", "/buildsx": None, "/": None}


def test_set_cookie_2_is_history() -> None:
    """RFC 2965's header is not read."""
    cookies = Cookies()
    cookies.store(URL, [("Set-Cookie2", "a=1; Version=1")])
    assert cookies.header(URL) is None
