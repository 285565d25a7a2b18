"""The ``sse-client`` command: `main`, its options, what it shows on a terminal, and its demo."""
