from __future__ import annotations

import sys
from typing import Any

import pytest

from sse_client._http.proxies import check_proxy, environment_proxy
from sse_client._http.url import Url

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy", "request_method")
SECRET = "s3cret"

posix_only = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="without variables, the system's settings answer here"
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every variable that names a proxy."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# The argument


def test_no_proxy_argument() -> None:
    """None stays None."""
    assert check_proxy(None) is None


def test_credentials_are_taken_apart() -> None:
    """User and password become a Basic credential, decoded, and are in neither the URL nor what is shown."""
    proxy = check_proxy("http://user:p%40ss@proxy.test:3128/")
    assert proxy is not None
    assert proxy.authorization == "Basic dXNlcjpwQHNz"
    assert proxy.url == "http://proxy.test:3128"
    assert proxy.url.rstrip("/") == "http://proxy.test:3128"
    assert not proxy.is_socks


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h"])
def test_socks(scheme: str) -> None:
    """A SOCKS proxy gets user and password, and neither is in its URL."""
    proxy = check_proxy(f"{scheme}://user:{SECRET}@proxy.test:1080")
    assert proxy is not None
    assert proxy.is_socks
    assert proxy.url == f"{scheme}://proxy.test:1080"
    assert (proxy.user, proxy.password) == ("user", SECRET)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_the_login_is_not_shown(scheme: str) -> None:
    """A proxy prints without user, password and credential, and is still told apart by them."""
    proxy = check_proxy(f"{scheme}://user:{SECRET}@proxy.test:1080")
    assert repr(proxy) == f"Proxy(url='{scheme}://proxy.test:1080')"
    assert proxy == check_proxy(f"{scheme}://user:{SECRET}@proxy.test:1080")
    assert proxy != check_proxy(f"{scheme}://user:other@proxy.test:1080")


@pytest.mark.parametrize(("given", "socks"), [("SOCKS5://proxy.test:1", True), ("HTTP://proxy.test:1", False)])
def test_schemes_in_any_case(given: str, socks: bool) -> None:
    """The scheme may be written in any case, as in every URL."""
    proxy = check_proxy(given)
    assert proxy is not None
    assert proxy.is_socks is socks
    assert proxy.url.startswith(given.partition(":")[0].lower())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy.test:3128",
        "//proxy.test:3128",
        f"ftp://user:{SECRET}@proxy.test",
        f"http://user:{SECRET}@:3128",
        f"http://user:{SECRET}@proxy.test:port",
        f"http://user:{SECRET}@proxy.test:0",
        f"http://user:{SECRET}@proxy.test:99999",
        f"http://user:{SECRET}@[::1",
        f"http://user:{SECRET}?@proxy.test:1",
        f"http://user:{SECRET}#@proxy.test:1",
        f"http://user:{SECRET}\\@proxy.test:1",
        f"http://user:{SECRET}@x@proxy.test:1",
        f"http://user:{SECRET}@127.1:3128",
        f"http://user:{SECRET}@127%2e0.0.1:3128",
    ],
)
def test_what_is_no_proxy(url: str) -> None:
    """What cannot be a proxy's URL is refused where it is given, with what it should look like and without a secret."""
    with pytest.raises(ValueError, match="proxy must be a URL such as http://host:port") as caught:
        check_proxy(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("value", [b"http://proxy.test", 3128, {"http": "http://proxy.test"}])
def test_what_is_no_str(value: Any) -> None:
    """Another type is refused with its name; a mapping as for requests is one of them."""
    with pytest.raises(TypeError, match=type(value).__name__):
        check_proxy(value)


# The environment


@posix_only
def test_empty_environment() -> None:
    """Without variables there is no proxy."""
    assert environment_proxy(Url.parse("http://example.test/")) is None


@posix_only
@pytest.mark.parametrize("case", [str.lower, str.upper])
@pytest.mark.parametrize(
    ("name", "url", "used"),
    [
        ("http_proxy", "http://example.test/", True),
        ("http_proxy", "https://example.test/", False),
        ("https_proxy", "https://example.test/", True),
        ("https_proxy", "http://example.test/", False),
        ("all_proxy", "http://example.test/", True),
        ("all_proxy", "https://example.test/", True),
    ],
)
def test_variables(monkeypatch: pytest.MonkeyPatch, name: str, case: Any, url: str, used: bool) -> None:
    """Each variable counts for its scheme, ALL_PROXY for both, in upper and lower case."""
    monkeypatch.setenv(case(name), "http://proxy.test:3128")
    proxy = environment_proxy(Url.parse(url))
    assert (proxy.url if proxy else None) == ("http://proxy.test:3128" if used else None)


@posix_only
def test_the_scheme_wins_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is more exact than ALL_PROXY, lower case wins over upper case, and an empty one counts for nothing."""
    monkeypatch.setenv("ALL_PROXY", "http://all.test")
    monkeypatch.setenv("HTTP_PROXY", "http://upper.test")
    monkeypatch.setenv("http_proxy", "http://lower.test")
    monkeypatch.setenv("https_proxy", "")
    shown = [
        getattr(environment_proxy(Url.parse(f"{scheme}://example.test/")), "url", None) for scheme in ("http", "https")
    ]
    assert shown == ["http://lower.test", "http://all.test"]


@posix_only
def test_a_variable_without_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """``host:port`` is an HTTP proxy."""
    monkeypatch.setenv("https_proxy", "user:pass@proxy.test:3128")
    proxy = environment_proxy(Url.parse("https://example.test/"))
    assert proxy is not None
    assert (proxy.url, proxy.authorization) == ("http://proxy.test:3128", "Basic dXNlcjpwYXNz")


@posix_only
def test_cgi(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a CGI script HTTP_PROXY is what a client has sent as a header, and is not believed."""
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    monkeypatch.setenv("HTTP_PROXY", "http://evil.test")
    assert environment_proxy(Url.parse("http://example.test/")) is None


@posix_only
@pytest.mark.parametrize(
    ("no_proxy", "bypassed"),
    [
        ("*", True),
        ("api.example.test", True),
        ("example.test", True),
        (".example.test", True),
        ("EXAMPLE.test", True),
        ("other.test, example.test", True),
        ("api.example.test:8443", True),
        ("api.example.test:443", False),
        ("ample.test", False),
        ("api.example.test.org", False),
        ("", False),
        ("10.0.0.0/8", False),
        ("*.example.test", True),
        ("*.test", True),
        ("*.api.example.test", False),
        ("*ample.test", False),
        ("*.", False),
        (".", False),
        ("example.test.", True),
        ("*.example.test.", True),
        ("api.EXAMPLE.test.", True),
        (".example.test.", True),
    ],
)
def test_no_proxy(monkeypatch: pytest.MonkeyPatch, no_proxy: str, bypassed: bool) -> None:
    """NO_PROXY takes a star, hosts, suffixes of hosts, with a port or without, in any case, separated by commas."""
    monkeypatch.setenv("ALL_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (environment_proxy(Url.parse("https://api.example.test:8443/stream")) is None) is bypassed


@posix_only
@pytest.mark.parametrize(
    ("no_proxy", "url", "bypassed"),
    [
        ("10.1.2.3", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://10.1.2.3:8000/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("192.168.1.0/24,localhost", "http://192.168.1.7/", True),
        ("192.168.1.0/24,localhost", "http://localhost:5000/", True),
        ("10.0.0.0/99,::/x", "http://10.1.2.3/", False),
        ("::1", "http://[::1]/", True),
        ("::1", "http://[::1]:8000/", True),
        ("[::1]", "http://[::1]:8000/", True),
        ("[::1]:8000", "http://[::1]:8000/", True),
        ("[::1]:8000", "http://[::1]:9000/", False),
        ("fd00::/8", "http://[fd00::5]:8000/", True),
        ("fd00::/8", "http://[fe80::5]:8000/", False),
        ("fd00::/8", "http://10.1.2.3/", False),
        ("10.0.0.0/8", "http://[::ffff:10.1.2.3]/", True),
        ("10.1.2.3", "http://[::ffff:a01:203]:80/", True),
        ("::ffff:10.1.2.3", "http://10.1.2.3/", True),
        ("[::ffff:10.1.2.3]", "http://10.1.2.3/", True),
        ("::ffff:10.0.0.0/104", "http://10.1.2.3/", True),
        ("::ffff:10.0.0.0/104", "http://[::ffff:10.1.2.3]/", True),
        ("::ffff:10.0.0.0/104", "http://11.1.2.3/", False),
        ("::/0", "http://10.1.2.3/", False),
        ("*.2.3", "http://10.1.2.3/", False),
        ("example.test", "http://api.example.test./", True),
        ("api.example.test", "http://api.example.test./", True),
        ("other.test", "http://api.example.test./", False),
    ],
)
def test_no_proxy_of_addresses(monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, bypassed: bool) -> None:
    """NO_PROXY takes addresses and blocks of addresses (CIDR), with IPv6 in brackets or without."""
    monkeypatch.setenv("ALL_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert (environment_proxy(Url.parse(url)) is None) is bypassed


@posix_only
def test_credentials_of_the_url_are_no_part_of_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY is compared with the host, not with the user name before it."""
    monkeypatch.setenv("ALL_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "example.test")
    assert environment_proxy(Url.parse("http://user:pass@example.test/")) is None
    assert environment_proxy(Url.parse("http://example.test:pass@other.test/")) is not None


@posix_only
def test_a_variable_that_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says that it is the environment's, and shows nothing of it."""
    monkeypatch.setenv("HTTP_PROXY", f"gopher://user:{SECRET}@proxy.test")
    with pytest.raises(ValueError, match="the environment's proxy for http is not usable") as caught:
        environment_proxy(Url.parse("http://example.test/"))
    assert SECRET not in str(caught.value)
