"""How a client of an authorization server shows its secret there (RFC 6749 section 2.3.1)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote_plus


@dataclass(frozen=True, slots=True)
class ShownCredentials:
    """What is added to a request's headers and to its form."""

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    form: dict[str, str] = field(default_factory=dict, repr=False)


def credentials(method: Literal["basic", "post"], client_id: str, secret: str) -> ShownCredentials:
    """The id and the secret by HTTP Basic, or in the form."""
    if method == "post":
        return ShownCredentials(form={"client_id": client_id, "client_secret": secret})
    # Both parts are form-encoded before they are joined (RFC 6749 section 2.3.1).
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return ShownCredentials(headers={"authorization": "Basic " + base64.b64encode(pair.encode()).decode()})
