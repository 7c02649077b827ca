"""Words for rules and hits, in English."""

from __future__ import annotations

import re

__all__ = ["place", "plural", "with_article"]

_PLURALS = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice", "knife": "knives",
    "sheep": "sheep", "scissors": "scissors", "skis": "skis",
}  # fmt: skip


def with_article(noun: str) -> str:
    """With its article: "a truck", "an apple"."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    """Several of them: "trucks", "people"."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if re.search(r"(?:s|x|z|ch|sh)$", noun) else f"{noun}s"


def place(what: str, name: str) -> str:
    """A zone or a line by its name: "zone A", and not "zone Zone A"."""
    return name if name.casefold().startswith(what) else f"{what} {name}"
