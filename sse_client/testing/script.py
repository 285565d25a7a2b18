"""The steps of a scripted event stream: what its server does after the head of the response.

A step is a value; `Step.play` does it on a `Stage`, which is an exchange over a real
socket or a connection without one.

Rules of this file: steps know nothing of sockets and HTTP, and keep no state of their
own, so that one script can be played many times.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Optional, Union

from sse_client._arguments import check_number
from sse_client.events import MessageEvent

from .encoding import encode_comment, encode_event, encode_message, encode_retry

__all__ = [
    "Stage",
    "Step",
    "StepLike",
    "as_steps",
    "comment",
    "drop",
    "event",
    "hold",
    "pause",
    "raw",
    "reset",
    "retry",
    "signal",
    "wait_for",
]


class Stage(ABC):
    """Where steps are played: the server's side of one response."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send ``data`` as the next bytes of the body, at once."""

    @abstractmethod
    def pause(self, seconds: float) -> None:
        """Do nothing for some seconds."""

    @abstractmethod
    def wait_for(self, event: threading.Event, timeout: float) -> None:
        """Do nothing until ``event`` is set; raise TimeoutError if that takes too long."""

    @abstractmethod
    def drop(self) -> None:
        """End the connection in the middle of the response."""

    @abstractmethod
    def reset(self) -> None:
        """Break the connection off with a TCP reset."""

    @abstractmethod
    def hold(self) -> None:
        """Keep the connection open and silent until the client goes away."""


class Step(ABC):
    """One thing that the server of a scripted stream does. Made by the functions of this module.

    Attributes:
        payload: The bytes that it adds to the body, before any encoding.
        last: Whether nothing can be sent after it.
    """

    payload: bytes = b""
    last: bool = False

    @abstractmethod
    def play(self, stage: Stage) -> None:
        """Do it. Called by the thread that serves the response; may block."""


StepLike = Union[Step, MessageEvent]
"""What a scripted stream is made of: a step, or an event, which sends itself."""


class _Send(Step):
    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def play(self, stage: Stage) -> None:
        stage.send(self.payload)

    def __repr__(self) -> str:
        return f"raw({self.payload!r})"


class _Pause(Step):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def play(self, stage: Stage) -> None:
        stage.pause(self.seconds)

    def __repr__(self) -> str:
        return f"pause({self.seconds!r})"


class _WaitFor(Step):
    def __init__(self, event: threading.Event, timeout: float) -> None:
        self.event = event
        self.timeout = timeout

    def play(self, stage: Stage) -> None:
        stage.wait_for(self.event, self.timeout)

    def __repr__(self) -> str:
        return f"wait_for({self.event!r}, timeout={self.timeout!r})"


class _Signal(Step):
    def __init__(self, event: threading.Event) -> None:
        self.event = event

    def play(self, stage: Stage) -> None:  # noqa: ARG002 - it is for the test, not for the stage
        self.event.set()

    def __repr__(self) -> str:
        return f"signal({self.event!r})"


class _Drop(Step):
    last = True

    def play(self, stage: Stage) -> None:
        stage.drop()

    def __repr__(self) -> str:
        return "drop()"


class _Reset(Step):
    last = True

    def play(self, stage: Stage) -> None:
        stage.reset()

    def __repr__(self) -> str:
        return "reset()"


class _Hold(Step):
    last = True

    def play(self, stage: Stage) -> None:
        stage.hold()

    def __repr__(self) -> str:
        return "hold()"


def event(data: str, *, type: Optional[str] = None, id: Optional[str] = None, retry: Optional[float] = None) -> Step:
    """Send one event. Arguments and errors are those of `encode_event`.

    A `MessageEvent` is a step by itself; its ``last_event_id`` is sent unless it is ``""``.
    """
    return _Send(encode_event(data, type=type, id=id, retry=retry))


def comment(text: str = "") -> Step:
    """Send a comment line, as servers do to keep a quiet connection alive.

    ``text`` follows the colon as it is: a reader sees a space only if you send one.

    Raises:
        ValueError: ``text`` holds a lone surrogate.
    """
    return _Send(encode_comment(text))


def retry(seconds: float) -> Step:
    """Send a ``retry`` field: the reconnection time, in seconds, that the client shall keep from now on.

    Raises:
        ValueError: ``seconds`` is negative or not finite.
    """
    return _Send(encode_retry(seconds))


def raw(data: Union[bytes, bytearray, memoryview]) -> Step:
    """Send bytes of the body as they are: parts of events, odd line ends, invalid UTF-8, anything.

    They are framed and encoded like all else. An event cut in the middle is
    ``raw(b"data: ha"), drop()``.

    Raises:
        TypeError: ``data`` is not bytes.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data must be bytes, not {type(data).__name__}")
    return _Send(bytes(data))


def pause(seconds: float) -> Step:
    """Do nothing for some seconds; a closing server does not wait for them.

    Over a `ScriptedConnector` it takes no time.

    Raises:
        TypeError, ValueError: ``seconds`` is no number, negative or not finite.
    """
    check_number("seconds", seconds, least=0.0)
    return _Pause(seconds)


def wait_for(event: threading.Event, timeout: float = 10.0) -> Step:
    """Do nothing until the test sets ``event``.

    If it is not set within ``timeout`` seconds, the script ends with a TimeoutError,
    which `EventStreamServer.close` raises.

    Raises:
        TypeError, ValueError: ``timeout`` is no number, negative or not finite.
    """
    check_number("timeout", timeout, least=0.0)
    return _WaitFor(event, timeout)


def signal(event: threading.Event) -> Step:
    """Set ``event``: tell the test that the script has come to this step."""
    return _Signal(event)


def drop() -> Step:
    """End the connection in the middle of the response: no last chunk, or fewer bytes than Content-Length said.

    Under ``framing="close"`` without an encoding, this looks like any clean end: nothing
    in such a response tells the two apart. Only steps that send nothing may follow.
    """
    return _Drop()


def reset() -> Step:
    """Break the connection off with a TCP reset.

    On some systems the client then loses what it has not yet read: let the test set a
    `wait_for` first, where that matters. Only steps that send nothing may follow.
    """
    return _Reset()


def hold() -> Step:
    """Keep the connection open and silent until the client goes away or the server closes.

    Only steps that send nothing may follow, such as a `signal` that the client has gone;
    they are not played when it is the server that closes.
    """
    return _Hold()


def as_steps(script: Iterable[StepLike]) -> tuple[Step, ...]:
    """Return ``script`` with its events made steps.

    Raises:
        TypeError: Something in it is neither a step nor a `MessageEvent`.
        ValueError: Bytes follow a step after which none can be sent.
    """
    steps: list[Step] = []
    end: Optional[Step] = None
    for item in script:
        if isinstance(item, MessageEvent):
            step: Step = _Send(encode_message(item))
        elif isinstance(item, Step):
            step = item
        else:
            raise TypeError(f"a step must be a Step or a MessageEvent, not {type(item).__name__}; see event()")
        if end is not None and (step.payload or step.last):
            raise ValueError(f"steps must not send anything after {end!r}, which ends the response: {step!r}")
        if step.last:
            end = step
        steps.append(step)
    return tuple(steps)
