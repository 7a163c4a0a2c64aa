"""Time zones as POSIX spells them in TZ, which need no time zone database. The sign is the other way round: west is plus."""

from __future__ import annotations

from typing import Final

NEW_YORK: Final = "EST5EDT,M3.2.0,M11.1.0"
KATHMANDU: Final = "<+0545>-5:45"
#: The first to begin a day.
KIRITIMATI: Final = "<+14>-14"
#: The last to end one.
WEST_OF_HOWLAND: Final = "<-12>12"
