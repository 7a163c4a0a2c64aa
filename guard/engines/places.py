"""Where the words of a finding stand, for engines that quote what they found and give no offset that is certain. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from guard.inspect.verdict import EngineFinding, Text

#: Places of all findings of one answer: the embedded engine keeps as many findings.
MAX_PLACES = 1000


def placed(finding: EngineFinding, texts: Iterable[Text], words: str) -> Iterator[EngineFinding]:
    """The finding at every place where `words` stand in these texts; nothing where they stand nowhere.

    The same words elsewhere in a message are as secret, so that redaction leaves none of them.
    """
    for text in texts:
        start = text.value.find(words)
        while start >= 0:
            yield replace(finding, pointer=text.pointer, span=(start, start + len(words)))
            start = text.value.find(words, start + len(words))
