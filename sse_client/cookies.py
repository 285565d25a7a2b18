"""The cookies that servers have set, sent back to the origin that set them and nowhere else.

Domain, path, expiry and the Secure flag are the business of ``http.cookiejar``. One thing
is stricter here: a cookie does not leave its origin, though its domain would allow it.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, Optional
from urllib.request import Request

from .http_response import unfolded
from .urls import origin_of

__all__: list[str] = []

_MOST_COOKIES = 200


class Cookies:
    """The cookies of one source, by origin. For the reading thread only."""

    def __init__(self) -> None:
        self._jars: dict[str, CookieJar] = {}

    def store(self, url: str, headers: Iterable[tuple[str, str]]) -> None:
        """Keep what the ``Set-Cookie`` headers of a response from this URL say."""
        message = Message()
        for name, value in headers:
            if name.lower() in ("set-cookie", "set-cookie2"):
                message[name] = unfolded(value)
        if not message.keys():
            return
        jar = self._jars.setdefault(origin_of(url), CookieJar())
        jar.extract_cookies(_Response(message), Request(url))  # type: ignore[arg-type] # noqa: S310 - nothing is opened
        if sum(map(len, self._jars.values())) > _MOST_COOKIES:
            # More than any well-meant server sets: start anew rather than grow for ever.
            self._jars.clear()

    def header(self, url: str) -> Optional[str]:
        """Return the ``Cookie`` header for a request to this URL, or None."""
        jar = self._jars.get(origin_of(url))
        if jar is None:
            return None
        request = Request(url)  # noqa: S310 - nothing is opened
        jar.add_cookie_header(request)
        return request.get_header("Cookie")


class _Response:
    """The one method of a response that a CookieJar calls."""

    def __init__(self, message: Message) -> None:
        self._message = message

    def info(self) -> Any:
        return self._message
