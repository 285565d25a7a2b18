"""An HTTP response that hands out, at each read, every chunk that has already arrived.

With http.client a read yields one chunk, and the layers above it cost microseconds a
read: too much for a client that is catching up with a server that sends a chunk an event.
Here a read yields all the whole chunks that lie in the buffer, and waits for no more than
its first byte.

Rules of this file: only whole chunks are taken here. Whatever else there is (a chunk that
is not all there, extensions, a wrong size, the last chunk, trailers) is left to
http.client, which knows how to read on and how to fail.
"""

from __future__ import annotations

from .heads import BUFFER_SIZE, WholeHeadResponse

__all__: list[str] = []


class DrainingResponse(WholeHeadResponse):
    """The ``response_class`` for http.client's connections and, so, for urllib3's."""

    def read1(self, n: int = -1) -> bytes:
        """Wait for at least one byte and return what has arrived, ``n`` bytes at the most."""
        between_chunks = self.chunked and not self.chunk_left and self._method != "HEAD"  # type: ignore[attr-defined]
        if between_chunks and self.fp is not None and (n < 0 or n >= BUFFER_SIZE):
            chunks = self._take_whole_chunks()
            if chunks:
                return chunks
        return super().read1(n)

    def _take_whole_chunks(self) -> bytes:
        buffered = self.fp.peek()  # waits only if the buffer is empty, and then for one byte
        chunks = []
        taken = 0
        # http.client leaves the line ending behind a chunk to the next read; so it is here.
        start = 2 if self.chunk_left == 0 else 0
        while True:
            line_end = buffered.find(b"\r\n", start)
            if line_end < 0:
                break
            data = line_end + 2
            try:
                end = data + int(buffered[start:line_end], 16)
            except ValueError:
                break
            if end <= data or buffered[end : end + 2] != b"\r\n":
                break
            chunks.append(buffered[data:end])
            taken = start = end + 2
        if chunks:
            self.fp.read(taken)
            self.chunk_left = None  # http.client's sign for "before the size of a chunk"
        return b"".join(chunks)

    def _read_next_chunk_size(self) -> int:
        # http.client would take all that follows for the data of a chunk of negative size.
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise ValueError("the size of a chunk is negative")
        return size
