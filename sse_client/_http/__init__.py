"""One attempt over HTTP, drawn. There is no code here: this page is the map of the folder.

Who owns what::

    EventSource (source.py)                  one loop; asks its Connector for one Connection after the other
      └─ Urllib3Connector (transport.py)     for the life of the source
           ├─ RequestOptions (message.py)    what to ask for: URL, headers, method, body, rules
           ├─ Pools (pools.py)               urllib3 managers by proxy (proxies.py), and cookies (cookies.py)
           └─ HttpConnection (attempt.py)    one attempt: redirects, the second chance after a 401, the verdict
                ├─ Transport                 sends one request; urllib3's is in transport.py, requests' in session.py
                │    ├─ Interrupter (interrupt.py)   the waker of the attempt, and the socket it uses now
                │    └─ Watch, views (watched.py)    make the connections of any pool or session interruptible
                └─ Response                  reads one body
                     └─ StreamResponse (raw_response.py)   http.client's response: strict heads, chunks (chunks.py)
                          └─ SocketFile (socket_file.py)   waits, and receives; codings are undone in coding.py

`url`, `headers`, `message`, `verdict`, `chunks` and `coding` are pure: values in, values out.
`connecting` makes a TCP connection (RFC 8305), `socks` negotiates with a SOCKS proxy. `handshake`,
`tunnel` and `websocket` are the same for a WebSocket, for `sse_client.fallback`.

Which thread touches it: the *reading thread*, which iterates over the source, touches all
of it. Any other thread, and a signal handler, may call `Connection.interrupt` and nothing
else. It ends in `Interrupter.interrupt`, which takes a lock, sets a flag and never blocks.

How `close()` reaches a blocked reader. No wait is inside a socket: each is a poll (select,
where there is no poll) of the socket and of one end of a socket pair, the *waker*. An
interrupt sends a byte into the other end; the wait returns, sees the flag and raises
`Interrupted`. The reading thread then closes what it has opened.

===========================  ===========================================  =====================
who waits                    where                                        for at most
===========================  ===========================================  =====================
connecting, all addresses    `connecting._Race`                           connect_timeout,
negotiation with SOCKS       `socks._Interruptible`, under PySocks        for all of these
the answer to CONNECT        `socket_file.SocketFile`                    together
the handshake of TLS         `watched._Context`
the head of a response       `socket_file.SocketFile`                    response_timeout a
                                                                          wait; then 30 s in all
the body                     `socket_file.SocketFile`                    idle_timeout a wait
the body of a rejection      the same                                     5 s in all
a pool that blocks           `watched._PoolView`, in slices of 50 ms      connect_timeout
the next attempt             `sse_client.source`                          the policy's delay
===========================  ===========================================  =====================

What an interrupt cannot cut short is bounded by its time-out: the look-up of a name (the
system's own), sending a body that the server does not read (on POSIX, shutting the socket
down ends that too), TLS inside TLS, the handshake with a context of another class than
`ssl.SSLContext`, and connections of an application's own class.

How a failure becomes an error::

    socket, OpenSSL, http.client, urllib3, requests      raise what they raise
      └─ Transport.send, Response.read                   catch it at once
           └─ failures.request_failed, reading_failed    return one of errors.py; its cause has no pools and sockets
                └─ HttpConnection                        adds rejections: status, type, redirect
                     └─ EventSource                      asks ReconnectPolicy.delay: a value in an ErrorEvent, or raised

`Response.discard`, or the end of the body, returns a connection to its pool. `Interrupter.leave`
comes first: from then on no interrupt touches the socket.
"""
