"""What ``sse-client --help`` prints: the manual of the command, in two screens."""

from __future__ import annotations

MANUAL = """\
usage: sse-client [options] URL | FILE | -
       sse-client --doctor [options] URL
       sse-client --demo [--seconds S]

Follow an event stream (Server-Sent Events): events go to stdout the moment they
arrive, what happens to the connection to stderr. A lost connection is made
again, from the last event on. FILE and - (stdin) hold a recorded stream.

which events:
  -e, --event TYPE         events of this type only ("message" where they name
                           none); repeatable
  --exclude TYPE           no events of this type; repeatable
  --comments               comments too, which is what heartbeats are
  --limit N                stop after N events
  --until DATA             stop at the event with this data; it is not shown
  --max-time S             stop after S seconds, with code 124
  --idle-exit S            stop when no event has come for S seconds

how they are shown:
  -o, --output FORMAT      pretty, by default on a terminal; data, by default
                           elsewhere; json; raw: the bytes as they came
  --json                   -o json, an object a line: type, data (where that is
                           JSON it stays so), last_event_id, origin
  --field PATH             of JSON data this part only, such as choices.0.text:
                           text as it is, without line ends; a line for the rest
  --timestamps             when each event arrived, too
  --no-color               no colours, as with NO_COLOR=1 and TERM=dumb
  -q, --quiet              nothing on stderr but errors
  -v, --verbose            log, response headers and whole refusals on stderr
  --summary                at the end, what came and how fast, on stderr

what is asked, and how:
  -H, --header NAME:VALUE  send this header; repeatable. Without it and -u, the
                           Authorization is $SSE_AUTHORIZATION, if that is set
  -u, --user USER[:PASS]   log in; asks for a password that is not given
  -X, --method METHOD      by default GET; POST with a body
  -d, --data DATA          send this body; say what it is: -H Content-Type:...
  --json-data JSON         send this body, which is JSON
  -x, --proxy URL          through this proxy: http, https, socks5, socks5h, ...
  --cacert FILE            trust these authorities (PEM), not the system's
  --cert FILE, --key FILE  show this certificate (PEM) and prove it by this key
  -k, --insecure           accept any certificate: anybody may listen and lie
  --connect-timeout S      give a connection S seconds (10); 0 is no limit
  --idle-timeout S         connect again after S seconds of silence (300)
NAME:VALUE, DATA and JSON may be @FILE, or @- for stdin: "ps" shows no file.

how long it lives:
  -c, --continue FILE      go on where the last run stopped: FILE has the place
  --last-event-id ID       go on after this event
  --no-reconnect           stop at the end of the first connection, as a request
                           that may not be repeated does (all but GET and HEAD)
  --retries N              give up after N failed attempts in a row
  --retry S                wait S seconds, not 3, before the next connection
  --patient                outlive what looks final, too: 403, 404, HTML, ...

also:
  --doctor                 say what stands between here and a good stream: takes
                           what is asked above, --max-time (30 s) and --json
  --demo                   follow a small server of this package's own
  --help, --version

exit codes: 0 the end that was asked for, or the stream's own; 1 gave up
(doctor: something to warn of); 2 wrong usage (doctor: nothing was reached);
22 refused by the server; 124 --max-time was up; 130 Ctrl-C; 143 SIGTERM

examples:
  sse-client https://example.com/builds
  sse-client -e price -e trade https://example.com/market | jq .price
  sse-client --json https://example.com/builds | jq -c '{type, data}'
  sse-client -c builds.position https://example.com/builds >> builds.log
  sse-client --json-data @question.json --until '[DONE]' \\
      --field choices.0.delta.content https://example.com/v1/chat/completions
  sse-client -o raw https://example.com/builds | tee dump.sse
  curl -sN https://example.com/builds | sse-client -
  sse-client --doctor https://example.com/builds
"""
