"""Following a stream: what is chosen is shown, what happens to the connection is told, until something ends it.

Rules of this file: output is flushed before each wait for bytes, which is as soon as all
events that have arrived together are shown; a position is written after that.
"""

from __future__ import annotations

import argparse
import time
from typing import Optional, Union

from sse_client.connector import Connector
from sse_client.errors import ConnectionLost, EventSourceError, StreamEnded
from sse_client.events import CommentEvent, ErrorEvent, MessageEvent, OpenEvent
from sse_client.position import PositionFile
from sse_client.reconnect import ReconnectPolicy
from sse_client.source import EventSource

from .endings import Terminated, TimeLimits, interrupt_main_thread
from .meter import Meter
from .options import is_recording
from .request import open_position
from .terminal import Terminal, stopped_at_hang_up
from .views import View, make_view

TIME_LIMIT = 124

_SECRET_HEADERS = {"set-cookie", "set-cookie2"}


class Following:
    """One stream, followed as the options say.

    Args:
        connector: Where the stream comes from.
        policy: How it is made again, or None.
        options: What is chosen and how it is shown.
        out: Where the events go.
        err: Where everything else goes.
    """

    def __init__(
        self,
        connector: Connector,
        policy: Optional[ReconnectPolicy],
        options: argparse.Namespace,
        out: Terminal,
        err: Terminal,
    ) -> None:
        self._options = options
        self._out = out
        self._err = err
        self._is_recording = is_recording(options)
        self._meter = Meter(connector, before_read=self._settle)
        format_name = options.output or ("pretty" if out.is_terminal and options.field is None else "data")
        self._view: Optional[View] = None
        if format_name == "raw":
            self._meter.tee = out.write_bytes
        else:
            self._view = make_view(
                format_name, out, path=options.field, timed=options.timestamps, arrived=lambda: self._meter.arrived
            )
        self._shows_comments = options.comments or format_name == "pretty"
        self._position: Optional[PositionFile] = None
        self._stored = options.last_event_id
        if options.position is not None:
            self._position, self._stored = open_position(options.position)
        self._source = EventSource(self._meter, reconnect=policy, last_event_id=self._stored)
        self._limits = TimeLimits(
            self._source.close, interrupt_main_thread, total=options.max_time, idle=options.idle_exit
        )

        # What has happened so far.
        self._received = 0
        self._shown = 0
        self._first: Optional[float] = None  # when the first event came, by time.monotonic
        self._is_open = False
        self._trouble: Optional[EventSourceError] = None  # why there is no connection
        self._is_ended = False  # by --limit or --until

    def run(self) -> int:
        """Follow the stream to its end; return the exit code. Blocks.

        Raises:
            EventSourceError: The stream failed.
            BrokenPipeError: Nobody reads the output any more. This is noticed at once if it is a pipe.
            OSError: It could not be printed, or the position not be written.
        """
        try:
            with stopped_at_hang_up(self._out.descriptor, self._source.close), self._limits:
                for event in self._source.lifecycle(comments=self._shows_comments):
                    if isinstance(event, MessageEvent):
                        self._take(event)
                        if self._is_ended:
                            break
                    elif isinstance(event, CommentEvent):
                        self._show_comment(event)
                    elif isinstance(event, (OpenEvent, ErrorEvent)):
                        self._tell(event)
                self._settle()
            self._out.end_line()
            return self._code()
        except EventSourceError:
            self._settle()
            raise
        except Terminated:
            if not (self._limits.total_is_up or self._limits.idle_is_up):
                raise
            self._out.abandon()  # whoever reads it is why the loop did not end by itself
            return self._code()
        finally:
            self._source.close()
            if self._options.summary:
                self._sum_up()

    # What arrives ---------------------------------------------------------------------------

    def _take(self, event: MessageEvent) -> None:
        options = self._options
        if not self._received:
            self._first = time.monotonic()
        self._received += 1
        self._limits.working()
        if event.data == options.until:
            self._is_ended = True
            return
        if (options.types and event.type not in options.types) or event.type in options.excluded:
            return
        if self._view is not None:
            text = self._view.event(event)
            if text is None:
                return
            self._out.add(text)
        self._shown += 1
        self._is_ended = self._shown == options.limit

    def _show_comment(self, event: CommentEvent) -> None:
        if self._view is not None:
            self._out.add(self._view.comment(event.text))

    def _settle(self) -> None:
        self._out.flush()
        self._limits.waiting()
        if self._position is not None and self._source.last_event_id != self._stored:
            self._stored = self._source.last_event_id
            self._position.write(self._stored)

    # What is told ---------------------------------------------------------------------------

    def _tell(self, event: Union[OpenEvent, ErrorEvent]) -> None:
        if isinstance(event, OpenEvent):
            self._is_open = True
            self._trouble = None
            if event.url:
                self._say(f"connected to {event.url}", "green")
            if self._options.verbose:
                for name, value in event.headers.items():
                    self._note(f"{name}: {'...' if name in _SECRET_HEADERS else value}", "dim")
            return
        self._is_open = False
        self._trouble = event.error
        if event.delay is not None:
            self._say(_trouble(event.error, event.delay), "yellow")

    def _code(self) -> int:
        if self._limits.total_is_up:
            self._note_end(f"stopped after {self._options.max_time:g} s (--max-time)")
            return TIME_LIMIT
        if self._limits.idle_is_up:
            if self._trouble is not None and not isinstance(self._trouble, StreamEnded):
                raise self._trouble
            self._note_end(f"stopped: no event for {self._options.idle_exit:g} s (--idle-exit)")
        elif not self._is_ended and not self._is_recording:
            # There are two quiet ends, that of the one stream without reconnecting and a 204, which opens none.
            text = "the server ended the stream" if self._is_open else "the server says that the stream is over"
            self._note_end(text if self._is_open else f"{text} (status 204)")
        return 0

    def _sum_up(self) -> None:
        shown = "" if self._shown == self._received else f" ({self._shown} shown)"
        words = [f"events {self._received}{shown}, bytes {self._meter.received}"]
        if not self._is_recording:
            words.append(f"connections {self._meter.connections}")
        if self._first is not None and self._meter.started is not None and not self._is_recording:
            seconds = time.monotonic() - self._first
            words.append(f"first event after {self._first - self._meter.started:.2f} s")
            if self._received > 1 and seconds > 0:
                words.append(f"then {(self._received - 1) / seconds:.1f} events/s")
        self._note(", ".join(words), "bold")

    def _say(self, text: str, style: str) -> None:
        # A state, which with -v the log has told already.
        if not self._options.verbose:
            self._note_end(text, style)

    def _note_end(self, text: str, style: str = "green") -> None:
        if not self._options.quiet:
            self._note(text, style)

    def _note(self, text: str, style: str) -> None:
        if self._err.is_terminal:
            self._out.end_line()
        self._err.line(self._err.paint(text, style))


def _trouble(error: EventSourceError, delay: float) -> str:
    text = f"disconnected: {error.reason}" if isinstance(error, ConnectionLost) else f"not connected: {error}"
    return f"{text}; again in {delay:.1f} s"
