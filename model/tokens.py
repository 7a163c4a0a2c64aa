"""Limits for every signed token that the gateway and the guard share, so that neither accepts one the other refuses."""

from __future__ import annotations

from typing import Final

#: How many seconds an issuer's clock may be ahead of ours: clocks of two well-kept machines differ by less. Nothing is
#: allowed the other way: at `exp` a token is over.
CLOCK_LEEWAY: Final = 30
#: No moment of a token is this late (the year 5138); it keeps `exp: 1e18` from being a time.
LATEST_MOMENT: Final = 1e11
#: Header members by which a token brings its own key, or changes what is signed (RFC 7515 section 4.1, RFC 7797,
#: RFC 7516).
REFUSED_HEADERS: Final = ("b64", "crit", "enc", "jku", "jwk", "x5c", "x5u", "zip")
#: `typ`, in small letters: RFC 7519 section 5.1, RFC 9068 section 2.1. Absent means the first.
TYPES: Final = ("jwt", "at+jwt", "application/at+jwt")
