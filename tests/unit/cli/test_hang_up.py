"""Who is told that nobody reads a pipe any more, when, and what is left afterwards (conftest looks)."""

from __future__ import annotations

import os
import select
import tempfile
import threading
from collections.abc import Iterator

import pytest

from sse_client.cli.terminal import stopped_at_hang_up

TIMEOUT = 10.0

pytestmark = pytest.mark.skipif(not hasattr(select, "poll"), reason="the system does not say it")


class Pipe:
    """A pipe, whose reader may leave."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._open = True

    def leave(self) -> None:
        if self._open:
            self._open = False
            os.close(self.reading)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.leave()
    os.close(made.writing)


def test_a_reader_who_leaves_stops_the_block(pipe: Pipe) -> None:
    """`stop` is called while the block is blocked, and the end of the block raises what a write would."""
    stopped = threading.Event()
    with pytest.raises(BrokenPipeError), stopped_at_hang_up(pipe.writing, stopped.set):
        pipe.leave()
        assert stopped.wait(TIMEOUT)


def test_a_reader_who_has_left_before_is_noticed_too(pipe: Pipe) -> None:
    """It makes no difference when the reader left."""
    pipe.leave()
    stopped = threading.Event()
    with pytest.raises(BrokenPipeError), stopped_at_hang_up(pipe.writing, stopped.set):
        assert stopped.wait(TIMEOUT)


def test_a_reader_who_stays_changes_nothing(pipe: Pipe) -> None:
    """With a reader, even one whose pipe is full, nobody is told, and the block ends as it would."""
    stopped = threading.Event()
    os.set_blocking(pipe.writing, False)
    with stopped_at_hang_up(pipe.writing, stopped.set):
        with pytest.raises(BlockingIOError):
            while True:
                os.write(pipe.writing, b"x" * 65536)
        assert not stopped.wait(0.05)
    assert "sse-client-hang-up" not in [thread.name for thread in threading.enumerate()]
    pipe.leave()
    assert not stopped.is_set()


def test_what_the_block_raises_comes_first(pipe: Pipe) -> None:
    """An error of the block's own is not replaced, though the reader has gone."""
    stopped = threading.Event()
    pipe.leave()
    with pytest.raises(KeyError), stopped_at_hang_up(pipe.writing, stopped.set):
        assert stopped.wait(TIMEOUT)
        raise KeyError("own")


def test_what_is_no_pipe_is_not_watched() -> None:
    """For a file, a device or nothing there is no thread, and the block is just a block."""
    before = threading.active_count()
    with tempfile.TemporaryFile() as file, open(os.devnull, "wb") as device:
        for descriptor in (file.fileno(), device.fileno(), None):
            with stopped_at_hang_up(descriptor, pytest.fail):
                assert threading.active_count() == before


def test_where_the_system_does_not_say_it(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without select.poll, as on Windows, nothing is watched."""
    monkeypatch.delattr("select.poll")
    pipe.leave()
    with stopped_at_hang_up(pipe.writing, pytest.fail):
        pass
