"""What a model that calls tools is told of the user's words, and what is made of its calls and of their results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scenescope.models.language.base import Request, ToolReply
from scenescope.models.language.server.failures import one_line

__all__ = ["asked", "parsed", "said_of"]

MAX_BEFORE = 3
MAX_ARGS_CHARS = 20_000
MAX_SAID_CHARS = 400


def asked(request: Request) -> str:
    """The user's words, the earlier ones before; nothing else."""
    before = "".join(f"Before, I asked: {text}\n" for text in request.asked_before[-MAX_BEFORE:])
    return f"{before}{request.question}"


def parsed(args: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The arguments of a call; None when they are no JSON object. None at all count as an empty one."""
    if isinstance(args, str):
        try:
            args = json.loads(args[: MAX_ARGS_CHARS + 1]) if args.strip() else {}
        except (ValueError, RecursionError):
            return None
    if args is None:
        return {}
    return dict(args) if isinstance(args, Mapping) else None


def said_of(reply: ToolReply) -> str:
    """The sentence that the app says of what a tool gave, where no model puts it into words."""
    if reply.text.strip():
        return one_line(reply.text, MAX_SAID_CHARS)
    value = reply.value if isinstance(reply.value, Mapping) else {}
    if value.get("error"):
        return one_line(str(value["error"]), MAX_SAID_CHARS)
    return "It is done only if you agree to it." if value.get("proposed") else "Done."
