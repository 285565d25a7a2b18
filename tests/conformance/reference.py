"""The standard's algorithm, written down as slowly and as plainly as it reads.

HTML Living Standard, section 9.2.6 "Interpreting an event stream", and the "UTF-8 decode"
of the Encoding Standard. It takes the whole stream at once. Nothing here may be shared
with `sse_client`, and nothing here is meant to be fast.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Union

__all__ = ["Comment", "Event", "Output", "Parsed", "decode", "offset_too_large", "parse", "utf8_decode"]


class Event(NamedTuple):
    """An event that the stream dispatches. (The data come first: most cases need nothing else.)"""

    data: str
    type: str = "message"
    id: str = ""


class Comment(NamedTuple):
    """A comment line: what followed the colon."""

    text: str


Output = Union[Event, Comment]


class Parsed(NamedTuple):
    """What a stream comes to: events and comments in their order, and what is left at its end."""

    output: list[Output]
    last_event_id: str
    reconnection_time: Optional[float]


def decode(stream: bytes) -> str:
    """The Encoding Standard's "UTF-8 decoder", its state machine step by step, errors replaced."""
    text = []
    code_point = bytes_seen = bytes_needed = 0
    lower_boundary, upper_boundary = 0x80, 0xBF
    position = 0
    while position < len(stream):
        byte = stream[position]
        position += 1
        if bytes_needed == 0:
            if byte <= 0x7F:
                text.append(chr(byte))
            elif 0xC2 <= byte <= 0xDF:
                bytes_needed, code_point = 1, byte & 0x1F
            elif 0xE0 <= byte <= 0xEF:
                if byte == 0xE0:
                    lower_boundary = 0xA0
                if byte == 0xED:
                    upper_boundary = 0x9F
                bytes_needed, code_point = 2, byte & 0xF
            elif 0xF0 <= byte <= 0xF4:
                if byte == 0xF0:
                    lower_boundary = 0x90
                if byte == 0xF4:
                    upper_boundary = 0x8F
                bytes_needed, code_point = 3, byte & 0x7
            else:
                text.append("\N{REPLACEMENT CHARACTER}")
            continue
        if not lower_boundary <= byte <= upper_boundary:
            code_point = bytes_seen = bytes_needed = 0
            lower_boundary, upper_boundary = 0x80, 0xBF
            position -= 1  # "restore byte to ioQueue"
            text.append("\N{REPLACEMENT CHARACTER}")
            continue
        lower_boundary, upper_boundary = 0x80, 0xBF
        code_point = (code_point << 6) | (byte & 0x3F)
        bytes_seen += 1
        if bytes_seen == bytes_needed:
            text.append(chr(code_point))
            code_point = bytes_seen = bytes_needed = 0
    if bytes_needed != 0:
        text.append("\N{REPLACEMENT CHARACTER}")
    return "".join(text)


def utf8_decode(stream: bytes) -> str:
    """The Encoding Standard's "UTF-8 decode": one byte order mark at the very start goes."""
    return decode(stream[3:] if stream[:3] == b"\xef\xbb\xbf" else stream)


def lines_of(text: str) -> list[str]:
    """The lines that have ended. What follows the last line end is no line yet."""
    lines = []
    start = position = 0
    while position < len(text):
        if text[position : position + 2] == "\r\n":
            lines.append(text[start:position])
            start = position = position + 2
        elif text[position] in "\r\n":
            lines.append(text[start:position])
            start = position = position + 1
        else:
            position += 1
    return lines


def field_of(line: str) -> tuple[str, str]:
    """The name and the value of the field on a line that is neither blank nor a comment."""
    if ":" not in line:
        return line, ""
    name, value = line.split(":", 1)
    if value.startswith("\N{SPACE}"):
        value = value[1:]
    return name, value


def parse(stream: bytes, last_event_id: str = "") -> Parsed:
    """Interpret a whole event stream."""
    output: list[Output] = []
    data_buffer = event_type_buffer = ""
    last_event_id_buffer = last_event_id
    reconnection_time = None
    for line in lines_of(utf8_decode(stream)):
        if line == "":
            last_event_id = last_event_id_buffer
            if data_buffer != "":
                if data_buffer[-1] == "\n":
                    data_buffer = data_buffer[:-1]
                output.append(Event(data_buffer, event_type_buffer or "message", last_event_id))
            data_buffer = event_type_buffer = ""
        elif line[0] == ":":
            output.append(Comment(line[1:]))
        else:
            name, value = field_of(line)
            if name == "event":
                event_type_buffer = value
            elif name == "data":
                data_buffer = data_buffer + value + "\n"
            elif name == "id" and "\0" not in value:
                last_event_id_buffer = value
            elif name == "retry" and value != "" and all(character in "0123456789" for character in value):
                # (There is no number in an empty value: it says nothing, in every browser too.)
                reconnection_time = float(value + "e-3")
    return Parsed(output, last_event_id, reconnection_time)


def offset_too_large(stream: bytes, max_event_size: int) -> Optional[int]:
    """The offset of the byte with which a block outgrows the limit, or None. (Not the standard's: ours.)

    A block's size is what its data buffer holds, in characters, with the line feed of
    each data line, and the bytes of the line that is being read. A byte order mark at the
    start belongs to no line; while it may still become one, nothing is decided.
    """
    if b"\xef\xbb\xbf".startswith(stream):
        return None
    start = 3 if stream[:3] == b"\xef\xbb\xbf" else 0
    collected = 0
    line = bytearray()
    for offset in range(start, len(stream)):
        byte = stream[offset]
        if byte in b"\r\n":
            if byte == 0x0A and offset > start and stream[offset - 1] == 0x0D:
                continue
            if not line:
                collected = 0
            else:
                name, value = field_of(decode(bytes(line)))
                if name == "data":
                    collected += len(value) + 1
            line.clear()
        else:
            line.append(byte)
            if collected + len(line) > max_event_size:
                return offset
    return None
