"""``python -m sse_client``: the same as the ``sse-client`` command."""

from __future__ import annotations

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
