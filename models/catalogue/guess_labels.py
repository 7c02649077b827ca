"""Class names for a network: from its metadata, from a file beside it, or by how many there are."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenescope.models.cards import bundled_cards
from scenescope.models.catalogue.guess_files import Facts

__all__ = ["LabelSet", "label_sets", "names_of"]

_FILES = ("labels.txt", "classes.txt", "labelmap.txt", "label_map.txt", "names.txt", "data.yaml", "metadata.yaml")
_MOST_FILE_BYTES = 4 << 20
# COCO numbers its 80 classes 1 to 90 and leaves these out.
_COCO_GAPS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})


@dataclass(frozen=True)
class LabelSet:
    """Names for classes: ``title`` for people, ``confidence`` that they are the right ones, and ``why``."""

    title: str
    names: tuple[str, ...]
    confidence: float
    why: str


def label_sets(facts: Facts, classes: int) -> list[LabelSet]:
    """Sets of names that a network of so many classes may have, the likeliest first; the last is numbers alone.

    Names are never made up: beyond those in or beside the file only COCO's and ImageNet's are known, from the cards of
    bundled networks.
    """
    found = []
    if facts.labels and (not classes or len(facts.labels) == classes):
        found.append(LabelSet(f"{len(facts.labels)} names in the file", facts.labels, 0.98, facts.labels_why))
    if names := names_of(facts.metadata.get("names")):
        found.append(LabelSet(f"{len(names)} names in the file", names, 0.99, "the file's metadata lists them"))
    for path in _beside(facts.path):
        if (names := _read(path)) and len(names) in (classes, classes + 1):
            why = f"{path.name} lies beside it and has {len(names)} lines"
            found.append(LabelSet(f"{len(names)} names of {path.name}", names[-classes:], 0.92, why))
    coco, imagenet = _of_card("detection", 80), _of_card("classification", 1000)
    of_count = {
        80: ("COCO's 80", coco, 0.85),
        91: ("COCO's 80, numbered to 90", _with_gaps(coco), 0.85),
        90: ("COCO's 80, numbered to 90", _with_gaps(coco)[1:], 0.8),
        1000: ("ImageNet's 1000", imagenet, 0.95),
        1001: ("ImageNet's 1000 and nothing", ("background", *imagenet), 0.95),
    }
    if classes in of_count and of_count[classes][1] and len(of_count[classes][1]) == classes:
        title, names, confidence = of_count[classes]
        found.append(LabelSet(title, names, confidence, f"there are {classes} classes, as many as these"))
    plain = 0.6 if found else 0.9
    return [*found, LabelSet(f"{classes} numbers", (), plain, "nothing says what its classes are called")]


def names_of(said: Any) -> tuple[str, ...]:
    """Names in a list, or in a table by number, or in the text of one."""
    if isinstance(said, str):
        try:
            said = ast.literal_eval(said)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return ()
    if isinstance(said, dict):
        try:
            said = [said[key] for key in sorted(said, key=int)]
        except (ValueError, TypeError):
            return ()
    return tuple(str(name) for name in said) if isinstance(said, list | tuple) else ()


def _beside(path: Path) -> list[Path]:
    folder = path if path.is_dir() else path.parent
    try:
        own = [folder / name for name in (f"{path.stem}.txt", f"{path.stem}.names", f"{path.stem}_labels.txt", *_FILES)]
        # Many lists beside many networks belong to nobody in particular.
        lists = list(folder.glob("*.names"))
        found = [*own, *(lists if len(lists) == 1 else [])]
        return [p for p in dict.fromkeys(found) if p.is_file() and p.stat().st_size <= _MOST_FILE_BYTES]
    except OSError:
        return []


def _read(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix in (".yaml", ".yml"):
            import yaml

            content = yaml.safe_load(text)
            return names_of(content.get("names")) if isinstance(content, dict) else ()
    except Exception:  # whatever a strange file makes of its reader
        return ()
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _of_card(task: str, count: int) -> tuple[str, ...]:
    return next((card.labels for card in bundled_cards() if card.task == task and len(card.labels) == count), ())


def _with_gaps(coco: tuple[str, ...]) -> tuple[str, ...]:
    """COCO's names by COCO's numbers, 0 to 90; a number that nothing has stands for itself."""
    names = iter(coco)
    return tuple(str(n) if n == 0 or n in _COCO_GAPS else next(names, str(n)) for n in range(91))
