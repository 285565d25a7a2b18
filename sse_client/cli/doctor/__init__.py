"""``sse-client --doctor``: what stands between here and a good stream, measured.

``run`` goes the way of a client, in order, and keeps to the time and to four requests::

    network   the proxy, the name, each address, TLS      its own sockets, no request
    stream    one request: its head, and bytes with the moments of their arrival
    content   what these bytes are: events, heartbeats, lines that are none      pure
    judge_*   facts become verdicts and advice                                   pure
    report    verdicts as text and as JSON
"""
