"""Long runs that are no part of the test suite: ``python -m tests.soak``, and two fuzzers beside it.

All are seeded, bounded in time, and use the loopback interface only::

    python -m tests.soak --minutes 30
    python -m tests.soak.fuzz_parser --minutes 10
    python -m tests.soak.fuzz_connection --minutes 10
"""
