"""The steps of a script: what each does on its stage, and which scripts are refused."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sse_client.events import MessageEvent
from sse_client.testing import comment, drop, event, hold, pause, raw, reset, retry, signal, wait_for
from sse_client.testing.script import Stage, StepLike, as_steps


class _Notes(Stage):
    """A stage that writes down what it is asked."""

    def __init__(self) -> None:
        self.notes: list[tuple[Any, ...]] = []

    def send(self, data: bytes) -> None:
        self.notes.append(("send", data))

    def pause(self, seconds: float) -> None:
        self.notes.append(("pause", seconds))

    def wait_for(self, event: threading.Event, timeout: float) -> None:
        self.notes.append(("wait_for", event, timeout))

    def drop(self) -> None:
        self.notes.append(("drop",))

    def reset(self) -> None:
        self.notes.append(("reset",))

    def hold(self) -> None:
        self.notes.append(("hold",))


def played(*script: StepLike) -> list[tuple[Any, ...]]:
    stage = _Notes()
    for step in as_steps(script):
        step.play(stage)
    return stage.notes


go = threading.Event()


@pytest.mark.parametrize(
    ("step", "note"),
    [
        (event("a", type="t", id="1", retry=2), ("send", b"event: t\nid: 1\nretry: 2000\ndata: a\n\n")),
        (MessageEvent("t", "a", "1"), ("send", b"event: t\nid: 1\ndata: a\n\n")),
        (MessageEvent(data="a"), ("send", b"data: a\n\n")),
        (comment(), ("send", b":\n")),
        (comment("x"), ("send", b":x\n")),
        (retry(1.5), ("send", b"retry: 1500\n")),
        (raw(b"data: ha"), ("send", b"data: ha")),
        (raw(bytearray(b"x")), ("send", b"x")),
        (pause(0.5), ("pause", 0.5)),
        (wait_for(go), ("wait_for", go, 10.0)),
        (wait_for(go, timeout=1), ("wait_for", go, 1)),
        (drop(), ("drop",)),
        (reset(), ("reset",)),
        (hold(), ("hold",)),
    ],
)
def test_each_step_does_its_one_thing(step: StepLike, note: tuple[Any, ...]) -> None:
    """A step asks its stage for one thing, and for the same thing when played again."""
    assert played(step) == [note]
    assert played(step, step) == [note, note] if note[0] not in ("drop", "reset", "hold") else played(step) == [note]


def test_a_signal_sets_its_event() -> None:
    """A signal tells the test, and nothing to the stage."""
    reached = threading.Event()
    assert played(signal(reached)) == []
    assert reached.is_set()


@pytest.mark.parametrize("end", [drop(), reset(), hold()])
@pytest.mark.parametrize("more", [raw(b"x"), event("a"), MessageEvent(data="a"), drop(), hold()])
def test_nothing_can_be_sent_after_the_end(end: StepLike, more: StepLike) -> None:
    """A script that sends something after its end is refused, and the text names both steps."""
    with pytest.raises(ValueError, match=r"must not send anything after (drop|reset|hold)\(\), .*: (raw|drop|hold)\("):
        as_steps([end, more])


@pytest.mark.parametrize("end", [drop(), reset(), hold()])
def test_the_test_can_be_told_of_the_end(end: StepLike) -> None:
    """Steps that send nothing may follow the end."""
    reached = threading.Event()
    assert len(played(end, pause(0), signal(reached))) == 2
    assert reached.is_set()


@pytest.mark.parametrize("wrong", ["a", b"data: a\n\n", None, event])
def test_what_is_no_step_is_refused(wrong: Any) -> None:
    """Anything but a step and a MessageEvent is a TypeError that says what was given."""
    with pytest.raises(TypeError, match=f"must be a Step or a MessageEvent, not {type(wrong).__name__}"):
        as_steps([wrong])


def test_raw_text_is_refused() -> None:
    """raw() wants bytes and says so."""
    with pytest.raises(TypeError, match="data must be bytes, not str"):
        raw("data: a\n\n")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (event("a"), r"raw(b'data: a\n\n')"),
        (pause(1), "pause(1)"),
        (drop(), "drop()"),
        (reset(), "reset()"),
        (hold(), "hold()"),
    ],
)
def test_a_step_prints_as_the_call_that_makes_it(step: StepLike, text: str) -> None:
    """The repr of a step can be read in a failed test."""
    assert repr(step) == text


def test_steps_with_an_event_print_it() -> None:
    """The repr of a step that waits or signals names its threading.Event."""
    assert repr(wait_for(go)) == f"wait_for({go!r}, timeout=10.0)"
    assert repr(signal(go)) == f"signal({go!r})"
