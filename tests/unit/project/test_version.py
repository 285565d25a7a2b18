from __future__ import annotations

import re

import sse_client
from sse_client._version import __version__


def test_version() -> None:
    """The version is three numbers, and the package shows it."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert sse_client.__version__ == __version__
