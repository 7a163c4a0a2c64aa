"""The images of a host's containers, as the operator names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from model.errors import InputError
from model.suggestions import did_you_mean


def refuse_unfit(named: Mapping[str, str], needed: Collection[str]) -> None:
    """Raise InputError where an image of `needed` is not named, or one is named for nothing: what runs on a host is never
    guessed."""
    for name in named:
        if name not in needed:
            raise InputError(f"no container is called {name}", key="--image", remedy=did_you_mean(name, needed))
    lacking = [name for name in needed if name not in named]
    if lacking:
        options = " ".join(f"--image {name}=IMAGE" for name in lacking)
        raise InputError(
            f"names no image of {', '.join(lacking)}",
            key="--image",
            remedy=f"add {options}, each with its digest (`docker buildx imagetools inspect IMAGE` shows it)",
        )


class Images:
    """The images of one host by name: ringwall, kong, cloudflared, pause, socat, and each server by its stack."""

    def __init__(self, named: Mapping[str, str]) -> None:
        self._named = named

    def __getitem__(self, name: str) -> str:
        return self._named[name]

    @property
    def without_digest(self) -> tuple[str, ...]:
        """The images whose bytes may change behind their tag."""
        return tuple(f"{name}: `{image}`" for name, image in sorted(self._named.items()) if "@sha256:" not in image)


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
