"""The cookies that servers have set, sent back to the origin that set them and nowhere else.

Domain, path, expiry and the Secure flag are the business of ``http.cookiejar``. One thing
is stricter here: a cookie does not leave its origin, though its domain would allow it.

Rules of this file: ``http.cookiejar`` is imported with the first cookie. Few streams set
one, and the import takes half as long as that of all of this package.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.message import Message
from typing import Any, Optional

from .message import unfolded
from .url import Url

_MOST_COOKIES = 200
_LONGEST_COOKIE = 4096  # characters, attributes included; browsers take no more either


class Cookies:
    """The cookies of one source, by origin. For the reading thread only."""

    def __init__(self) -> None:
        self._jars: dict[str, _Jar] = {}

    def store(self, url: Url, headers: Iterable[tuple[str, str]]) -> None:
        """Keep what the ``Set-Cookie`` headers of a response from this URL say."""
        message = Message()
        for name, value in headers:
            if name.lower() in ("set-cookie", "set-cookie2") and len(value) <= _LONGEST_COOKIE:
                message[name] = unfolded(value)
        if not message.keys():
            return
        jar = self._jars.setdefault(url.origin, _Jar())
        jar.store(url, message)
        kept = {origin: jar for origin, jar in self._jars.items() if len(jar)}
        # More cookies than any well-meant server sets: start anew rather than grow for ever.
        self._jars = kept if sum(map(len, kept.values())) <= _MOST_COOKIES else {}

    def header(self, url: Url) -> Optional[str]:
        """Return the ``Cookie`` header for a request to this URL, or None."""
        jar = self._jars.get(url.origin)
        return None if jar is None else jar.header(url)


class _Jar:
    """The cookies of one origin."""

    def __init__(self) -> None:
        from http.cookiejar import CookieJar  # noqa: PLC0415 - see the rules of this file
        from urllib.request import Request  # noqa: PLC0415 - http.cookiejar imports it too

        self._cookies = CookieJar()
        self._request = Request

    def __len__(self) -> int:
        return len(self._cookies)

    def store(self, url: Url, message: Message) -> None:
        self._cookies.extract_cookies(_Response(message), self._request(url.address))  # type: ignore[arg-type]

    def header(self, url: Url) -> Optional[str]:
        request = self._request(url.address)
        self._cookies.add_cookie_header(request)
        return request.get_header("Cookie")


class _Response:
    """The one method of a response that a CookieJar calls."""

    def __init__(self, message: Message) -> None:
        self._message = message

    def info(self) -> Any:
        return self._message
