"""The words of one language, as the rows of the modules beside this one give them.

Each member is a row of alternatives. A blank in one stands for what separates words, ``~`` for the rest of a word, and ``@`` for up
to four words between two. What else stands there is a pattern. An empty member makes no sign.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a language, or of a few that are written alike."""

    name: str
    #: Verbs of an order to drop something, for one reader, for several, and polite; and what turns such a verb around
    #: ("do not forget", "I forgot"), right before it and right behind it.
    drop: str
    negated: str = ""
    negated_behind: str = ""
    #: What is to be dropped: what came before, what it is called, and "everything above" as a whole.
    earlier: str = ""
    laws: str = ""
    before: str = ""
    #: Verbs of an order to show something, and the model's own instructions.
    show: str = ""
    prompt: str = ""
    #: An order not to tell, and the one who is not to know.
    untold: str = ""
    user: str = ""
    #: "From now on", and "you are" or "you must".
    onwards: str = ""
    you_are: str = ""
    #: "New task"; "important message", and the model that it is for; "write … instead".
    task: str = ""
    note: str = ""
    model: str = ""
    instead: str = ""
    do: str = ""
    #: "You are an AI assistant"; "you must write"; "do not summarize"; "answer only".
    address: str = ""
    must: str = ""
    stop: str = ""
    only: str = ""
    #: The range of its script, where no other language here is written in it.
    script: str = ""
    #: Whether blanks stand between words. Without them a word begins and ends anywhere.
    spaced: bool = True
    #: Whether the verb of an order stands before what is to be dropped, always.
    verb_first: bool = False
