"""Files that can run code: refused until the user says "I trust this", which is kept with the file's hash."""

from __future__ import annotations

import json
from pathlib import Path

from scenescope.models.cards import fingerprint
from scenescope.models.catalogue.card_file import write_whole
from scenescope.models.catalogue.catalogue import current
from scenescope.models.catalogue.risk import risk_of
from scenescope.models.catalogue.store import disk_failure
from scenescope.models.errors import ModelMissing, ModelRefused

__all__ = ["distrust", "is_trusted", "require_trust", "risk_of", "trust", "trusted_hashes"]

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
            hint="If you know where it comes from, choose 'I trust this file' in the window's Models..., or run "
            f"'scenescope models trust {path}'.",
        )


def is_trusted(path: Path) -> bool:
    """True when exactly these bytes were trusted before."""
    known = _trusted()
    return bool(known) and _hash(path) in known


def trusted_hashes() -> frozenset[str]:
    """Hashes of all that is trusted: for lists, which go by the hash on the card."""
    return frozenset(_trusted())


def trust(path: Path) -> None:
    """Remember that these bytes may run code.

    Raises:
        ModelRefused: there is nowhere to remember it.
        ModelMissing: there is no such file.
    """
    _write({**_trusted(), _hash(path): path.name})


def distrust(path: Path) -> None:
    """Forget that these bytes may run code. Raises as :func:`trust` does."""
    found = _hash(path)
    _write({sha256: name for sha256, name in _trusted().items() if sha256 != found})


def _hash(path: Path) -> str:
    try:
        return fingerprint(path)
    except OSError as error:
        raise ModelMissing(f"{path} cannot be read: {error.strerror}.", hint="Choose another file.") from error


def _trusted() -> dict[str, str]:
    folder = current().folder
    try:
        content = json.loads((folder / _FILE).read_text(encoding="utf-8")) if folder else {}
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(trusted: dict[str, str]) -> None:
    folder = current().folder
    if folder is None:
        raise ModelRefused("There is no folder to remember trust in.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / _FILE, json.dumps(trusted, indent=1, sort_keys=True))
    except OSError as error:
        raise disk_failure(error, folder) from error
