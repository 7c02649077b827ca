"""What a local model is asked: the files of ``resources/prompts``, filled in."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from scenescope.models.language.base import Request, Role, Scene

__all__ = ["facts_of", "prompt_of"]

MOST_LABELS = 6
MOST_QUESTION_CHARS = 500


def prompt_of(request: Request) -> str:
    """The words for a request, with what the app has counted."""
    name = "local_describe" if request.role is Role.DESCRIBE else "local_look"
    question = " ".join(request.question[:MOST_QUESTION_CHARS].split())
    filled = _template(name).format(facts=facts_of(request.scene), question=question)
    return " ".join(filled.split())


def facts_of(scene: Scene) -> str:
    """One sentence with the numbers that the app knows; empty when it counts nothing."""
    try:
        known: dict[str, Any] = json.loads(scene.to_json())
    except ValueError:
        return ""
    if not isinstance(known, dict) or not known.get("watching"):
        return ""
    counts = known.get("counts")
    if not isinstance(counts, dict) or not counts:
        return "A detector finds no object in it that it knows."
    named = [f"{number} {label}" for label, number in list(counts.items())[:MOST_LABELS]]
    more = len(counts) - len(named) + int(known.get("labels_left_out", 0))
    return f"A detector counts in it: {', '.join(named)}{' and more' if more > 0 else ''}."


@cache
def _template(name: str) -> str:
    return files("scenescope.resources").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")
