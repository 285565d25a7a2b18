"""The cookies that servers have set, sent back to the origin that set them and nowhere else.

``Set-Cookie`` is read as RFC 6265, section 5.2, says, with the corrections of its revision: any text can be read, and
what makes no sense counts for itself alone. An attribute with a wrong value is as if it were not there, and a field
that is no cookie leaves those beside it as they are. ``http.cookiejar`` is not used: it drops all cookies of a response
for one bad field, warns with a traceback, and needs a tenth of a second for a date made of blanks. Where requests uses
it, it is given what `cleaned` leaves.

One thing is stricter here than in a browser: a cookie does not leave its origin, though its domain would allow it.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Optional

from .headers import unfolded
from .url import Url

_MAX_COOKIES = 200
_MAX_COOKIE = 4096  # characters, attributes included; browsers take no more either
_MAX_AGE_DIGITS = 10  # 300 years
_LAST_DATE = 253402300799.0  # the end of the year 9999, in seconds since the epoch

# RFC 6265, section 5.1.1. Each is matched at the beginning of one token, and what follows may not be a digit.
_DELIMITERS = re.compile(r"[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY = re.compile(r"([0-9]{1,2})(?![0-9])")
_YEAR = re.compile(r"([0-9]{2,4})(?![0-9])")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True)
class _Cookie:
    name: str
    value: str
    path: str
    expires: float  # seconds since the epoch; infinity for a cookie of the session

    def __str__(self) -> str:
        return f"{self.name}={self.value}" if self.name else self.value

    def is_for(self, path: str) -> bool:
        """Whether it is sent with requests for this path (RFC 6265, section 5.1.4)."""
        return path == self.path or path.startswith(self.path if self.path.endswith("/") else f"{self.path}/")


class Cookies:
    """The cookies of one source, by origin. For the reading thread only."""

    def __init__(self) -> None:
        self._by_origin: dict[str, dict[tuple[str, str], _Cookie]] = {}

    def store(self, url: Url, headers: Iterable[tuple[str, str]]) -> None:
        """Keep what the ``Set-Cookie`` headers of a response from this URL say."""
        now = time.time()
        for name, value in headers:
            if name.lower() == "set-cookie":
                cookie = _parse(value, url, now)
                if cookie is not None:
                    # A cookie that is set again keeps its place.
                    self._by_origin.setdefault(url.origin, {})[cookie.name, cookie.path] = cookie
        self._drop_expired(now)
        if sum(map(len, self._by_origin.values())) > _MAX_COOKIES:
            # More cookies than any well-meant server sets: start anew rather than grow for ever.
            self._by_origin.clear()

    def header(self, url: Url) -> Optional[str]:
        """Return the ``Cookie`` header for a request to this URL, or None."""
        self._drop_expired(time.time())
        path = url.target.partition("?")[0]
        cookies = [cookie for cookie in self._by_origin.get(url.origin, {}).values() if cookie.is_for(path)]
        cookies.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(map(str, cookies)) or None

    def _drop_expired(self, now: float) -> None:
        for origin, cookies in list(self._by_origin.items()):
            fresh = {key: cookie for key, cookie in cookies.items() if cookie.expires > now}
            if fresh:
                self._by_origin[origin] = fresh
            else:
                del self._by_origin[origin]


def cleaned(text: str) -> Optional[str]:
    """Return a ``Set-Cookie`` field with those of its attributes that make sense, or None if it sets no cookie.

    For ``http.cookiejar``, which requests uses.
    """
    parts = _split(text)
    if parts is None:
        return None
    name, value, attributes = parts
    kept = [f"{name}={value}" if name else value]
    kept += [flag for flag in ("Secure", "HttpOnly") if flag.lower() in attributes]
    kept += [f"{key}={attributes[key.lower()]}" for key in ("Domain", "SameSite") if attributes.get(key.lower())]
    if attributes.get("path", "").startswith("/"):
        kept.append(f"Path={attributes['path']}")
    expires = _expiry(attributes, time.time())
    if expires is not None:
        kept.append(f"Expires={formatdate(min(max(expires, 0.0), _LAST_DATE), usegmt=True)}")
    return "; ".join(kept)


def _split(text: str) -> Optional[tuple[str, str, dict[str, str]]]:
    """Return name, value and attributes of a cookie, names of attributes in lower case; or None if it is none."""
    text = unfolded(text)
    if len(text) > _MAX_COOKIE or _CONTROLS.search(text):
        return None
    pair, *rest = text.split(";")
    before, equals, after = pair.partition("=")
    name, value = (before.strip(" \t"), after.strip(" \t")) if equals else ("", before.strip(" \t"))
    if not name and not value:
        return None
    attributes: dict[str, str] = {}
    for attribute in rest:
        attribute_name, _, attribute_value = attribute.partition("=")
        attributes[attribute_name.strip(" \t").lower()] = attribute_value.strip(" \t")
    return name, value, attributes


def _parse(text: str, url: Url, now: float) -> Optional[_Cookie]:
    """Return the cookie that a ``Set-Cookie`` field sets, or None if it sets none here."""
    parts = _split(text)
    if parts is None:
        return None
    name, value, attributes = parts
    if "secure" in attributes and url.scheme != "https":
        return None
    if not _is_in_domain(url.host, attributes.get("domain", "")):
        return None
    path = attributes.get("path", "")
    expires = _expiry(attributes, now)
    if not path.startswith("/"):
        path = _default_path(url)
    return _Cookie(name, value, path, math.inf if expires is None else expires)


def _is_in_domain(host: str, domain: str) -> bool:
    domain = domain.lower()
    domain = domain[1:] if domain.startswith(".") else domain
    return domain in ("", host) or host.endswith(f".{domain}")


def _default_path(url: Url) -> str:
    return url.target.partition("?")[0].rpartition("/")[0] or "/"


def _expiry(attributes: dict[str, str], now: float) -> Optional[float]:
    """Return when a cookie expires, or None if it lasts as long as the session."""
    max_age = attributes.get("max-age", "")
    digits = max_age[1:] if max_age.startswith("-") else max_age
    if not (digits.isascii() and digits.isdigit()):
        return _timestamp(attributes.get("expires", ""))
    if max_age.startswith("-"):
        return 0.0
    return now + int(digits) if len(digits) <= _MAX_AGE_DIGITS else math.inf


def _timestamp(text: str) -> Optional[float]:
    """Return the time that a date in a cookie means, or None if it means none (RFC 6265, section 5.1.1)."""
    clock = day = month = year = None
    for token in _DELIMITERS.split(text):
        if clock is None and (match := _TIME.match(token)):
            clock = match
        elif day is None and (match := _DAY.match(token)):
            day = int(match[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (match := _YEAR.match(token)):
            year = int(match[1])
    if clock is None or day is None or month is None or year is None:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    if year < 1601:
        return None
    try:
        return datetime(year, month, day, int(clock[1]), int(clock[2]), int(clock[3]), tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None
