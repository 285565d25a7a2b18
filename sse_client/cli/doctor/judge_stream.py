"""Verdicts about the stream: pace, heartbeats, ids, what is none in its bytes, its end, going on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

from sse_client.errors import ConnectionLost, EventSourceError
from sse_client.events import MessageEvent

from .content import Content
from .delivery import evidence_of_holding_back
from .stream import Observation
from .verdict import BUFFERING, CLIENT, PROXY, SERVER, Advice, Verdict, ok, problem, warning

_CUTS = ((60.0, "the 60 s of common proxies"), (100.0, "Cloudflare's 100 s"), (350.0, "the 350 s of NAT gateways"))
_SILENCE = 1.0  # seconds without a byte before a cut, from which on the silence may be its cause
_BEAT = Advice(SERVER, 'send a comment line (":") every 15 s while there is nothing else to send')


def judge_delivery(observation: Observation) -> Verdict:
    """Say whether events come when they happen."""
    content = observation.content
    if not content.events:
        return ok("delivery", f"no event in {observation.ended_at:.0f} s, so nothing is known of their pace")
    evidence = evidence_of_holding_back(content.arrivals)
    if evidence is not None:
        return warning("delivery", f"events are held back: {evidence}", *BUFFERING)
    first_event = next(arrival.at for arrival in content.arrivals if arrival.events)
    reads = sum(bool(arrival.events) for arrival in content.arrivals)
    return ok(
        "delivery",
        f"first byte after {content.arrivals[0].at:.2f} s, first event after {first_event:.2f} s; "
        f"{_count(len(content.events), 'event')} in {_count(reads, 'piece')}, no sign of holding back",
    )


def judge_compressed(first: Observation, compressed: Observation) -> Iterator[Verdict]:
    """Say whether events are held back from whoever asks for gzip, as browsers do."""
    head, arrivals = compressed.head, compressed.content.arrivals
    if head is None or not arrivals:
        # A proxy that compresses may not even send the head. Only a silence that is longer than those before tells.
        if compressed.error is None and compressed.ended_at > 2 * _longest_silence(first) + 0.5:
            text = f"with gzip, as browsers ask, nothing came in {compressed.ended_at:.1f} s"
            yield warning("compression", text, *BUFFERING)
        return
    coding = head.headers.get("content-encoding")
    if not coding:
        return
    evidence = evidence_of_holding_back(arrivals)
    if evidence is not None:
        yield warning("compression", f"with {coding}, as browsers ask, events are held back: {evidence}", *BUFFERING)
    else:
        yield ok("compression", f"with {coding}, as browsers ask, no sign of holding back")


def judge_silence(observation: Observation) -> Verdict:
    """Say how long the stream is silent, and whether it is for too long."""
    content = observation.content
    longest = _longest_silence(observation)
    beats = [arrival.at for arrival in content.arrivals if arrival.comments]
    text = f"the longest silence was {longest:.1f} s"
    if len(beats) > 1:
        text = f"{len(beats)} comments, one in {(beats[-1] - beats[0]) / (len(beats) - 1):.1f} s; {text}"
    cut_by = [name for seconds, name in _CUTS if longest >= seconds]
    if cut_by:
        return warning("heartbeats", f"{text}: {' and '.join(cut_by)} would have cut it", _BEAT)
    if not content.arrivals:
        return ok("heartbeats", f"nothing at all in {longest:.0f} s, which is too short a look: --max-time 150")
    return ok("heartbeats", f"{text}, below {_CUTS[0][1]}")


def judge_ids(content: Content) -> Iterator[Verdict]:
    """Say whether each event can be gone on after."""
    events = content.events
    if not events:
        return
    ids = [event.last_event_id for event in events]
    given = content.fields["id"]
    advice = Advice(SERVER, "give each event an id of its own, from which you can tell what comes after it")
    if not given:
        text = f"none of {_count(len(events), 'event')} has one: what is missed during a cut is lost"
        yield warning("ids", text, advice)
    elif given < len(events):
        yield warning("ids", f"only {given} of {_count(len(events), 'event')} have one", advice)
    elif len(set(ids)) < len(ids):
        yield warning(
            "ids", f"{len(ids) - len(set(ids))} of {_count(len(ids), 'event')} have one that came before", advice
        )
    else:
        yield ok("ids", f"{_count(len(ids), 'event')}, each with its own")


def judge_retry(content: Content) -> Iterator[Verdict]:
    """Say what the stream asks of clients that come back."""
    seconds = content.reconnection_time
    if seconds is None:
        return
    if seconds < 0.1:
        yield warning(
            "retry", f"{seconds:g} s: clients may come back without a pause", Advice(SERVER, "ask for a second or more")
        )
    elif seconds > 3600:
        yield warning("retry", f"{seconds:g} s: clients stay away for long", Advice(SERVER, "ask for some seconds"))
    else:
        yield ok("retry", f"clients are to come back after {seconds:g} s")


def judge_bytes(observation: Observation) -> Iterator[Verdict]:
    """Say what in the bytes is no event stream."""
    content = observation.content
    if content.unknown_count:
        yield _judge_unknown(f"{_count(content.unknown_count, 'line')} that are no field", content.unknown[0])
    elif content.only_line:
        yield _judge_unknown(f"{_count(content.size, 'byte')} and no end of a line", content.only_line)
    elif content.fields["data"] > 1 and not content.blank_lines:
        text = f"{content.fields['data']} lines of data, and no empty line after any: clients never see an event"
        yield problem("bytes", text, Advice(SERVER, "end each event with an empty line"))
    if content.invalid_utf8:
        text = f"{_count(content.invalid_utf8, 'line')} that are not UTF-8"
        yield warning("bytes", text, Advice(SERVER, "encode the stream in UTF-8"))
    if content.byte_order_marks:
        text = f"{_count(content.byte_order_marks, 'line')} with a byte order mark, which makes another field of it"
        yield warning("bytes", text, Advice(SERVER, "send a byte order mark only at the start, or none"))
    if content.bad_retries:
        yield warning("bytes", "retry is not a whole number of milliseconds", Advice(SERVER, "send digits only"))
    if content.unfinished and observation.is_ended and observation.error is None:
        text = f"the stream ended in the middle of an event, of which {_count(content.unfinished, 'byte')} had come"
        yield warning("bytes", text, Advice(SERVER, "end each event with an empty line, the last one too"))


def _judge_unknown(what: str, line: str) -> Verdict:
    first = line.strip()
    text = f"{what}, such as {first!r}"
    if first[:1] in ("{", "["):
        return problem(
            "bytes",
            f"{text}: lines of JSON are no event stream",
            Advice(SERVER, 'send each object as "data: {...}", with an empty line after it'),
        )
    if first[:1] == "<":
        return problem("bytes", f"{text}: that is a page", Advice(SERVER, "see what writes a page into the stream"))
    return warning(
        "bytes", text, Advice(SERVER, "send data, event, id and retry, in lower case, at the start of a line")
    )


def judge_end(first: Observation, second: Sequence[Observation]) -> Iterator[Verdict]:
    """Say how the stream ended, if it did."""
    if not first.is_ended or first.head is None:
        return
    silence = first.silence_at_end
    again = [one.silence_at_end for one in second if one.is_ended and one.head is not None]
    same = [one for one in again if abs(one - silence) < 0.2 * max(silence, 0.5)]
    how = "was cut off" if isinstance(first.error, ConnectionLost) else "ended"
    text = f"the stream {how} after {first.ended_at:.1f} s"
    if silence >= _SILENCE and (first.error is not None or same):
        times = f", {'each time' if same else 'and'} {silence:.1f} s after the last byte"
        yield warning(
            "end",
            f"{text}{times}: a time-out on the way",
            _BEAT,
            Advice(PROXY, "allow more silence (nginx: proxy_read_timeout; haproxy: timeout server and client)"),
        )
    elif first.error is not None:
        yield warning(
            "end", f"{text}: {first.error.reason}", Advice(SERVER, "see in its log, and the proxy's, who cut it")
        )
    elif not first.content.arrivals:
        yield warning("end", f"{text}, without a byte", Advice(SERVER, "see why it has nothing to send"))
    else:
        yield ok("end", f"{text}, as a long poll does; clients come back by themselves")


def place_to_go_on(events: Sequence[MessageEvent]) -> int:
    """Return the number of the event after which to ask the server to go on: some that followed it are known."""
    return max(0, len(events) - 4)


def judge_going_on(events: Sequence[MessageEvent], place: int, second: Observation) -> Verdict:
    """Say whether the server went on after the event that was named."""
    known = [(event.last_event_id, event.data) for event in events]
    followed = len(known) - 1 - place
    asked = f"asked to go on after {known[place][0]!r}, the server"
    honour = Advice(SERVER, "on Last-Event-ID, send what came after that event: keep some history")
    if second.head is None:
        return warning("going on", f"{asked} answered: {_reason(second.error)}", honour)
    came = [(event.last_event_id, event.data) for event in second.content.events]
    if not came:
        if followed:
            text = f"{asked} sent nothing for {second.ended_at:.0f} s, though {_count(followed, 'event')} had followed"
            return warning("going on", text, honour)
        return ok("going on", f"{asked} sent nothing yet, so it did not begin again")
    if followed and came[0] == known[place + 1]:
        return ok("going on", f"{asked} continued with {came[0][0]!r}")
    if came[0] in known[: place + 1] or (not followed and came[0] == known[place]):
        return warning(
            "going on",
            f"{asked} repeated {came[0][0]!r}: it ignores Last-Event-ID",
            honour,
            Advice(CLIENT, "until then, expect each event more than once"),
        )
    if not followed:
        return ok("going on", f"{asked} did not begin again; whether one was lost is not clear")
    lost = known.index(came[0]) - place - 1 if came[0] in known else followed
    return warning("going on", f"{asked} went on with {came[0][0]!r}: {_count(lost, 'event')} or more are lost", honour)


def _longest_silence(observation: Observation) -> float:
    moments = [observation.head_at, *(arrival.at for arrival in observation.content.arrivals), observation.ended_at]
    return max(after - before for before, after in zip(moments, moments[1:]))


def _reason(error: Optional[EventSourceError]) -> str:
    return "nothing in time" if error is None else error.reason


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
