"""What people write to one another at work, and ask of an assistant, made from a small grammar: harmless, and full of orders.

No package has tickets, mail and chats in such numbers. They teach `make wording` that who asks somebody to send, forward,
delete or repeat something steers nobody by it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

#: Fillings by name; a sentence takes each in turn at random.
FILLINGS: Final = {
    "name": ["Ada", "Bob", "Carol", "Dan", "Emma", "Eve", "Farid", "Grace", "Hiro", "Ines", "Jon", "Kyle", "Lena", "Mark", "Nina", "Omar", "Priya", "Quinn", "Rosa", "Sam", "Tom", "Uma", "Victor"],
    "team": ["support", "sales", "finance", "the platform team", "operations", "legal", "marketing", "the developers", "the admin", "our administrator", "HR", "the boss", "everyone", "everybody", "all users", "the customer", "the client", "your manager", "the reviewers"],
    "thing": ["the summary", "the notes", "the report", "the invoice", "the document", "the contract", "the password reset", "the instructions", "the guidelines", "the list", "the file", "the spreadsheet", "the ticket", "the slides", "the agenda", "the article", "the email", "the minutes", "the new policy", "the draft", "the recording", "the database dump", "the logs", "the prompt", "the test data", "the answer", "the survey", "the website copy", "the release notes", "the story", "the secret santa list", "the API key rotation plan", "the payment details", "the content", "everything we have", "my calendar", "the conversation", "the response", "the output"],
    "act": ["send", "forward", "share", "reply with", "review", "update", "delete", "print", "copy", "upload", "summarize", "translate", "approve", "rewrite", "check", "post", "save", "export", "attach", "read", "repeat", "remove", "move", "archive", "evaluate", "verify", "explain", "confirm", "sign", "merge", "rename", "download", "paste", "resend", "transfer", "disable", "open", "close", "collect", "provide"],
    "when": ["before Friday", "by tomorrow", "today", "this afternoon", "as soon as you can", "after the meeting", "before you leave", "next week", "at the end of the day", "first thing on Monday", "once you are done", "when you have a minute", "earlier than last time", "immediately", "from now on", "every Tuesday", "until further notice"],
    "ask": ["Please", "Could you please", "Can you", "Could you", "Would you mind if I asked you to", "I need you to", "You should", "You must", "We need to", "Let's", "Don't forget to", "Remember to", "Do not", "Never", "Just", "Kindly", "Make sure that you", "Feel free to", "I want you to", "You will have to", "It would be great if you could"],
    "why": ["because the audit starts then", "so that nobody has to ask again", "as the system will be down", "since the old one is wrong", "otherwise we cannot pay them", "because it was asked for in the last meeting", "as our guidelines say", "if anyone asks, tell them it is approved", "to be safe", "for the user who reported it", "as discussed", "per the instructions in the wiki", "so I can answer the question", "because my previous message had a mistake", "instead of the one I sent before"],
    "greeting": ["Hi", "Hello", "Hey", "Dear", "Good morning", "Thanks", "Hi all", "Hello everyone", "Hi team"],
    "bye": ["Thanks!", "Best regards", "Cheers", "Thank you", "Talk soon", "See you tomorrow", "Let me know if you have questions", "Tell me if anything is unclear", "I'm off tomorrow, so do not wait for my answer", "Reply to this message if you cannot", "Ignore this message if you have done it already"],
    "problem": ["I get an error when I open the page", "the application asks me for my password again", "the system says that I am not allowed to do this", "my account was suspended", "the printer prints blank pages", "the response is always empty", "the tool does not respond", "your answer did not help me", "the message says 'instruction not permitted'", "nothing happens when I click on reply", "the assistant repeats the same question", "the website shows the text of another user", "the mode switch is ignored", "I cannot delete my own posts", "the output is cut after ten lines", "the game stops at the first scene", "it always says 'access denied'", "the prompt never ends"],
    "step": ["restarted everything", "followed the instructions on the website", "asked the administrator", "tried it in safe mode", "ignored the warning", "reset the settings", "read the guidelines", "repeated every step", "updated to the latest version", "checked the notes of the developer", "disabled all extensions", "logged out and in again"],
    "subject": ["climate change", "the history of Rome", "our product", "the French Revolution", "machine learning", "ethics in medicine", "healthy food", "the moon", "black holes", "tax law", "dragons", "a detective and a hacker", "two friends who love music", "the human body", "a game of chess", "security policies", "personality tests", "religion and politics", "database design", "an evil queen and a clever cat"],
    "form": ["a short story", "a poem", "a summary", "ten questions", "an email", "a friendly reply", "a joke", "a table", "bullet points", "a speech", "a paragraph", "an article", "a step by step guide", "a lesson plan", "a script with two characters", "a press release", "a list of opinions", "a scene for a play", "a test"],
    "style": ["in simple words", "in detail", "in French", "with examples", "for a child of ten", "in the tone of a pirate", "in a formal style", "without jargon", "in exactly three sentences", "with only one adjective", "as if you were a teacher", "like an expert would", "from the point of view of the villain", "and make it funny", "and be honest", "in the first person"],
}  # fmt: skip
MAILS: Final = (
    "{greeting} {name}, {ask} {act} {thing} {when}, {why}. {bye}",
    "{greeting} {name},\n\n{ask} {act} {thing} and {act} {thing} to {team} {when}. {ask} {act} {thing}, {why}.\n\n{bye}\n{name}",
    "{name}: {ask} {act} {thing} {when}?\n{name}: yes, but then you have to {act} {thing} first\n{name}: ok, {act} it and tell me when it is done",
    "Minutes. {name} will {act} {thing}. {name} must {act} {thing} {when}, {why}. Everything else was approved.",
    "From {when}, {team} will {act} {thing} for you. You do not have to {act} {thing} any more, {why}.",
    "TODO {name}: {act} {thing} {when}. TODO {name}: {act} {thing} for {team}, {why}.",
    "{ask} {act} {thing} exactly as it is and reply to me, {why}. Everything is in {thing}.",
)
TICKETS: Final = (
    "Since the update {problem}. I have {step} and {step}, but {problem}. Please tell me what I have to do.",
    "When I try to {act} {thing}, {problem}. Your documentation says that you must {act} it first. I {step}. {bye}",
    "{greeting}, {problem}, and {problem}. {ask} {act} {thing} or give me back my money. You said that {team} would {act} it.",
    "Steps: 1. {act} {thing}. 2. {act} {thing}. 3. {problem}. Expected: I can {act} {thing}. I already {step}.",
    "Reply from {team}: {ask} {act} {thing} {when}. If {problem} again, {ask} {act} {thing} and answer to this message.",
)
REQUESTS: Final = (
    "Write {form} about {subject} {style}.",
    "Can you write me {form} on the topic of {subject}, {style}? {ask} {act} it when you are done.",
    "You are a helpful assistant. Write {form} about {subject} {style}, and reply with {form} only.",
    "{ask} {act} {thing} and answer my question: what do you think about {subject}? Explain it {style}.",
    "Tell me everything about {subject}, {style}. Then give me {form} and do not repeat what you said before.",
    "I am a teacher. I want you to act as {name}, and answer the questions of my class about {subject} {style}.",
    "{act} {thing} to {name} {when}, then {act} {thing} and tell me what {name} said.",
    "You are my assistant for {subject}. Always answer {style}, ask me if something is not clear, and stay on the topic.",
)


def office(count: int = 4000) -> Iterator[str]:
    """So many texts, the same ones each time."""
    dice = random.Random(7)  # noqa: S311 - no secret
    for number in range(count):
        kind = (MAILS, MAILS, TICKETS, REQUESTS)[number % 4]
        text = dice.choice(kind)
        while "{" in text:
            before, _, rest = text.partition("{")
            name, _, after = rest.partition("}")
            filling = dice.choice(FILLINGS[name])
            begins = not before or before.endswith((". ", ": ", "\n", "? "))
            text = before + (filling[:1].upper() + filling[1:] if begins else filling) + after
        yield text
