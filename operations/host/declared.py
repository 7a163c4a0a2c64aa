"""kong.yml of a node without a control plane, and the script that puts in the secrets that Kong itself cannot look up.

Almost every secret in it is a reference to Kong's own vault. What Kong takes as plain text alone, such as the key of a model
route's guard, stands as a variable. A file with the value exists only where the node runs.
"""

from __future__ import annotations

from operations.gateway_file import variable_text
from operations.host.machine import Machine

#: Names of the two files, in whichever folder they are.
CONFIGURATION = "kong.yml"
SCRIPT = "kong-declare.sh"

_SCRIPT = r"""#!/bin/sh
# kong-declare.sh FROM TO [COMMAND...]: puts the variables of FROM in, writes that to TO for its owner alone, and runs the
# command. A value is never an argument of a process.
set -eu
umask 077
export LC_ALL=C
# The value stands between two ', on one line.
fits() {
  case $2 in
    '') echo "error: $1 is not set; Kong's configuration needs it" >&2; exit 1 ;;
    *[!\ -~]*|*\'*) echo "error: $1 holds ' or no printable character of ASCII" >&2; exit 1 ;;
  esac
}
@CHECKS@
while IFS= read -r line || [ -n "$line" ]; do
  case $line in
@CASES@
  esac
  printf '%s\n' "$line"
done < "$1" > "$2.new"
mv "$2.new" "$2"
shift 2
if [ $# -gt 0 ]; then exec "$@"; fi
"""


def declare_script(machine: Machine) -> str | None:
    """The script, where the node's configuration has variables."""
    if machine.declared is None or not machine.declared.variables:
        return None
    names = sorted(machine.declared.variables)
    checks = [f'fits {name} "${{{name}:-}}"' for name in names]
    texts = {name: f"'{variable_text(name)}'" for name in names}
    cases = [f"    *{text}*) line=${{line%%{text}*}}${name}${{line##*{text}}} ;;" for name, text in texts.items()]
    return _SCRIPT.replace("@CHECKS@", "\n".join(checks)).replace("@CASES@", "\n".join(cases))
