"""A compressed body is decoded piece by piece, however it is cut, and refused when it is not what its header says."""

from __future__ import annotations

import gzip
import hashlib
import zlib

import pytest

from wire.content_encoding import PIECE, Decoder
from wire.json import Malformed

TEXT = b'{"jsonrpc":"2.0","id":1,"result":{"text":"' + hashlib.shake_256(b"x").hexdigest(200_000).encode() + b'"}}'


def _raw(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", _raw(TEXT)),
    ],
)
@pytest.mark.parametrize("size", [1, 1000, 10**9])
def test_a_body_is_decoded_however_it_is_cut(encoding: str, body: bytes, size: int) -> None:
    decoder = Decoder(encoding)
    cut = [body[start : start + size] for start in range(0, len(body), size)]
    assert b"".join(piece for chunk in cut for piece in decoder.feed(chunk)) == TEXT
    decoder.finish()


def test_what_was_flushed_is_decoded_before_the_body_ends() -> None:
    stream = zlib.compressobj(wbits=31)
    decoder = Decoder("gzip")
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        chunk = stream.compress(event) + stream.flush(zlib.Z_SYNC_FLUSH)
        assert b"".join(decoder.feed(chunk)) == event
    with pytest.raises(Malformed, match="breaks off"):
        decoder.finish()


def test_a_body_that_grows_without_end_comes_in_bounded_pieces() -> None:
    bomb = gzip.compress(bytes(64 * 2**20))
    for taken, piece in enumerate(Decoder("gzip").feed(bomb), 1):
        assert len(piece) <= PIECE
        if taken == 10:
            break
    else:
        raise AssertionError("the bomb is too small")


@pytest.mark.parametrize(
    ("encoding", "body"), [("gzip", TEXT), ("deflate", TEXT), ("deflate", zlib.compress(TEXT) + b"x")]
)
def test_a_body_that_is_not_what_its_header_says_is_refused(encoding: str, body: bytes) -> None:
    def decode() -> None:
        decoder = Decoder(encoding)
        assert b"".join(decoder.feed(body)) is not None
        decoder.finish()

    with pytest.raises(Malformed):
        decode()


def test_an_empty_body_is_whole() -> None:
    Decoder("gzip").finish()
