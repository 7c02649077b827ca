"""Files that can run code: refused until the user says "I trust this", which is kept with the file's hash."""

from __future__ import annotations

import json
from pathlib import Path

from scenescope.models.cards import fingerprint
from scenescope.models.catalogue.catalogue import current
from scenescope.models.errors import ModelRefused

__all__ = ["is_trusted", "require_trust", "trust"]

_FILE = "trusted.json"


def require_trust(path: Path, risk: str) -> None:
    """Go on only if the user trusts this very file or folder.

    Args:
        path: of the weights.
        risk: what could happen, as a sentence: "It is a pickle, which can run any code while it loads".

    Raises:
        ModelRefused: nobody has said that it may; the hint says how to.
    """
    if not is_trusted(path):
        raise ModelRefused(
            f"{path.name} was not opened. {risk}.",
            hint="If you know where it comes from, choose 'I trust this file', or run 'scenescope models trust'.",
        )


def is_trusted(path: Path) -> bool:
    """True when exactly these bytes were trusted before."""
    return fingerprint(path) in _trusted()


def trust(path: Path) -> None:
    """Remember that these bytes may run code."""
    folder = current().folder
    if folder is None:
        raise ModelRefused("There is no folder to remember trust in.")
    known = {**_trusted(), fingerprint(path): path.name}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILE).write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")


def _trusted() -> dict[str, str]:
    folder = current().folder
    try:
        content = json.loads((folder / _FILE).read_text(encoding="utf-8")) if folder else {}
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
