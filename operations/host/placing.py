"""The script that places a host's files, says what it will place, and can undo it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from operations.host.host_file import HostFile

#: What the script adds to the name of a file: the note that it placed it, and what stood there before.
PLACED = ".ringwall-placed"
EARLIER = ".before-ringwall"
_SCRIPT = r"""#!/bin/sh
# Places the files of host @HOST@ below /, and does nothing else: it makes no user, starts nothing and reads no secret.
#   ./install.sh --dry-run   say what would be placed
#   ./install.sh             place it
#   ./install.sh --undo      take it away again; what stood there before comes back
#   --root DIR               below DIR instead of /
set -eu

undo=no dry=no root=
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry=yes ;;
    --undo) undo=yes ;;
    --root) [ $# -gt 1 ] || { echo "error: --root names no folder" >&2; exit 2; }; root=${2%/}; shift ;;
    -h|--help) sed -n '2,6s/^# *//p' "$0"; exit 0 ;;
    *) echo "error: there is no option $1; see ./install.sh --help" >&2; exit 2 ;;
  esac
  shift
done
if [ -n "$root" ] && [ ! -d "$root" ]; then echo "error: $root is no folder" >&2; exit 2; fi
cd "$(dirname "$0")"
@UNKNOWN@
say() { if [ $dry = yes ]; then echo "would $1 $2"; else echo "$1 $2"; fi; }

place() {
  target=$root$2
  if [ -L "$target" ]; then echo "error: $target is a link, which is left alone; remove it first" >&2; exit 1; fi
  if [ -f "$target" ] && cmp -s "root$2" "$target"; then
    echo "in place $target"
    [ $dry = yes ] || chmod "$1" "$target"
    return
  fi
  if [ -e "$target" ]; then say replace "$target"; else say place "$target"; fi
  [ $dry = no ] || return 0
  mkdir -p "$(dirname "$target")"
  # What stood there before Ringwall is kept once, so that --undo brings that back and no earlier version of these files.
  if [ -e "$target" ] && [ ! -e "$target@PLACED@" ]; then cp -p "$target" "$target@EARLIER@"; fi
  cp "root$2" "$target.ringwall-new"
  chmod "$1" "$target.ringwall-new"
  cksum < "root$2" > "$target@PLACED@"
  mv "$target.ringwall-new" "$target"
}

take_away() {
  target=$root$2
  if [ ! -e "$target@PLACED@" ]; then echo "not placed by this script: $target"; return; fi
  if [ -e "$target" ] && [ "$(cksum < "$target")" != "$(cat "$target@PLACED@")" ]; then
    echo "changed since, left alone: $target"
    return
  fi
  if [ -e "$target@EARLIER@" ]; then say restore "$target"; else say remove "$target"; fi
  [ $dry = no ] || return 0
  rm -f "$target" "$target@PLACED@"
  if [ -e "$target@EARLIER@" ]; then mv "$target@EARLIER@" "$target"; fi
}

each() {
@FILES@
}

if [ $undo = yes ]; then each take_away; else each place; fi
"""
_REFUSAL = """\
echo "error: these files were made before the deployment, and lack @IDS@; run 'ringwall host render' after 'ringwall up'" >&2
exit 1
"""


def install_script(host: str, files: Sequence[HostFile]) -> HostFile:
    """`install.sh` of the files below `root/`. One that lacks an id places nothing."""
    placed = [file for file in files if file.path.startswith("root/")]
    lines = [f'  "$1" {file.mode:04o} {shlex.quote(file.path[len("root") :])}' for file in placed]
    lacking = [known for file in files for known in file.unknown_ids]
    # The ids are shown without what a shell would expand.
    refusal = _REFUSAL.replace("@IDS@", ", ".join(known.strip("${}") for known in lacking)) if lacking else ""
    script = _SCRIPT.replace("@PLACED@", PLACED).replace("@EARLIER@", EARLIER)
    text = script.replace("@HOST@", host).replace("@FILES@", "\n".join(lines)).replace("@UNKNOWN@", refusal)
    return HostFile("install.sh", text, 0o755)
