"""Long runs that are no part of the test suite: ``python -m tests.soak``, and two fuzzers beside it.

All are seeded, bounded in time, and use the loopback interface only::

    python -m tests.soak --minutes 30
    python -m tests.soak.fuzz_parser --minutes 10
    python -m tests.soak.fuzz_connection --minutes 10

`tests.soak.repeat` runs the suite many times on a busy machine, and names the tests that fail now and then::

    python -m tests.soak.repeat --times 10 --load 2
"""
