"""What plain Pulumi takes from Ringwall beside a project: the policy pack, and the component package for other programs.

Both run in the environment that Ringwall is installed in, so the files that lead to it are written where they are wanted
and name it by its path: they are one machine's own, as that environment is.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from model.errors import InputError
from operations.project.write import FileChange, apply

_HOST = "# Written by `ringwall engine addons`: Pulumi starts the component package by this file.\n"


def write_addons(folder: Path) -> list[Path]:
    """Write the policy pack and the component package into `folder`, over those of an earlier call; gives their paths.

    Raises:
        InputError: Ringwall runs in no virtual environment, which is where Pulumi would look for it.
        RingwallError: the file system refused it; nothing was changed.
    """
    if sys.prefix == sys.base_prefix:
        raise InputError(
            "Ringwall runs in no virtual environment",
            remedy="install it in one, by `uv tool install` or `python -m venv`",
        )
    folder = folder.absolute()
    package, pack = folder / "package", folder / "ringwall-policy"
    runtime = {"runtime": {"name": "python", "options": {"toolchain": "pip", "virtualenv": sys.prefix}}}
    texts = {
        package / "PulumiPlugin.yaml": f"{_HOST}{json.dumps(runtime, indent=2)}\n",
        package / "__main__.py": "from package.provider import main\n\nmain()\n",
        pack: f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -u -m policy_pack.analyzer "$@"\n',
    }
    apply([FileChange(path, _content(path), text.encode()) for path, text in texts.items()])
    pack.chmod(0o755)
    return [pack, package]


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
