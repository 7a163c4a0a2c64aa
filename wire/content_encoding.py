"""Decodes a compressed HTTP body piece by piece, so that a small body that grows without end never stands in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from wire.json import Malformed

#: Bytes that are decoded at a time; whoever reads them decides after each piece whether there are too many.
PIECE = 2**18
#: The encodings of RFC 9110 section 8.4.1 that the standard library has.
DECODED = ("gzip", "x-gzip", "deflate")


class Decoder:
    """One body's decoder. `encoding` is one of `DECODED`."""

    def __init__(self, encoding: str) -> None:
        self._gzip = encoding != "deflate"
        self._stream = zlib.decompressobj(31 if self._gzip else 15)
        self._fed = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The bytes that `chunk` completes, in pieces of at most `PIECE`; raises Malformed."""
        if chunk and not self._fed and not self._gzip and (chunk[0] & 0x0F) != 8:
            # Some servers send deflate without the zlib header that the RFC asks for.
            self._stream = zlib.decompressobj(-15)
        self._fed = self._fed or bool(chunk)
        pending = bool(chunk)
        while pending:
            if self._stream.eof:
                if not self._gzip:
                    raise Malformed("bytes follow the compressed body")
                self._stream = zlib.decompressobj(31)  # RFC 1952: one gzip member may follow another
            try:
                piece = self._stream.decompress(chunk, PIECE)
            except zlib.error:
                raise Malformed("the body is not compressed as its header says") from None
            chunk = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            pending = bool(chunk) or (len(piece) == PIECE and not self._stream.eof)
            if piece:
                yield piece

    def finish(self) -> None:
        """Raises Malformed when the body broke off before its end."""
        if self._fed and not self._stream.eof:
            raise Malformed("the compressed body breaks off")
