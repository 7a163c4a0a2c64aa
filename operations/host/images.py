"""The images of a host's containers, as the operator names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model.errors import InputError
from model.suggestions import did_you_mean


class Images:
    """Images by name: ringwall, kong, cloudflared, pause, socat, and each server by its stack."""

    def __init__(self, given: Mapping[str, str], needed: Sequence[str]) -> None:
        """Raises InputError where one is not named, or is named for nothing: what runs on a host is never guessed."""
        for name in given:
            if name not in needed:
                raise InputError(f"no container is called {name}", key="--image", remedy=did_you_mean(name, needed))
        lacking = [name for name in needed if name not in given]
        if lacking:
            options = " ".join(f"--image {name}=IMAGE" for name in lacking)
            raise InputError(
                f"names no image of {', '.join(lacking)}",
                key="--image",
                remedy=f"add {options}, each with its digest (`docker buildx imagetools inspect IMAGE` shows it)",
            )
        self._given = given

    def __getitem__(self, name: str) -> str:
        return self._given[name]

    @property
    def without_digest(self) -> tuple[str, ...]:
        """The images whose bytes may change behind their tag."""
        return tuple(f"{name}: `{image}`" for name, image in sorted(self._given.items()) if "@sha256:" not in image)


def pinning_advice(images: Images) -> list[str]:
    """What the README says of images without a digest."""
    if not images.without_digest:
        return []
    listed = "; ".join(images.without_digest)
    return [
        "## Images without a digest",
        "",
        f"{listed}. Their bytes may change behind the tag. `docker buildx imagetools inspect IMAGE` shows the digest;",
        "render again with `--image NAME=IMAGE@sha256:…`.",
        "",
    ]
