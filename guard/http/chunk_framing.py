"""What the chunks of a body may hold beside its content: the line of each with its extensions, and the trailers.

A parser passes over extensions, so no limit of content meets them, and it holds a trailer until that ends. Go's net/http
counts them much as here (net/http/internal/chunked.go, CVE-2023-39326). Hardly anybody sends any.
"""

from __future__ import annotations

#: Bytes that a parser is given at once, so that what it passes over is counted before there is much of it.
PIECE = 16 * 1024
#: Bytes beside the content of one body.
MOST_FRAMING = 16 * 1024
#: Bytes of each chunk that are not counted: its size, padded to sixteen digits by some, and its line ends.
_FREE = 32


def framing_after(framing: int, overhead: int, chunks: int) -> int:
    """The count for a body after a piece of it with so many bytes beside its content and so many chunks begun.

    It never falls below zero, so that many small chunks buy no room for a large extension.
    """
    return max(0, framing + overhead - _FREE * chunks)
