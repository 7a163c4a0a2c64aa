"""What the engine keeps at the top level of a stack file, by which a stack's secrets are encrypted.

It is brought from the engine's copy into the user's file, of which every other byte stays.
"""

from __future__ import annotations

from pathlib import Path

from model.errors import RingwallError
from model.files import write_atomically
from model.private_folder import make_private

SALT_KEYS = ("secretsprovider", "encryptedkey", "encryptionsalt")


def _salts(file: Path) -> dict[str, str]:
    """The lines the engine keeps at the top level of a stack file. Not read as YAML: the engine rewrote the rest of it in
    ways the one loader refuses."""
    if not file.exists():
        return {}
    lines = file.read_text(encoding="utf-8").splitlines()
    return {key: line for line in lines for key in SALT_KEYS if line.startswith(f"{key}:")}


def secrets_provider(copy: Path) -> str | None:
    """What a new stack's secrets are encrypted with, as its file says; else a passphrase."""
    line = _salts(copy).get("secretsprovider")
    return line.partition(":")[2].strip().strip("\"'") or None if line else None


def keep_salt(original: Path, copy: Path) -> None:
    """Append to the user's file what the engine added at the top level of its copy, and nothing else."""
    if not original.exists():
        return
    before = _salts(original)
    added = [line.encode() for key, line in _salts(copy).items() if key not in before]
    if added:
        content = original.read_bytes()
        line_end = b"\r\n" if b"\r\n" in content else b"\n"
        start = content if content.endswith(b"\n") else content + line_end
        try:
            write_atomically(original.resolve(), start + b"".join(line + line_end for line in added))
        except OSError as error:
            lines = b", ".join(added).decode()
            remedy = f"make room, then add at its end what the engine encrypts this stack's secrets by: {lines}"
            raise RingwallError(f"cannot be written ({error.strerror})", file=original, remedy=remedy) from None


def keep_sandbox_salt(folder: Path, copy: Path) -> None:
    """Keep the same for a rehearsal, which writes into no file of the user's."""
    lines, saved = _salts(copy), folder / "salts" / copy.name
    if lines and lines != _salts(saved):
        make_private(saved.parent)
        write_atomically(saved, ("\n".join(lines.values()) + "\n").encode())
