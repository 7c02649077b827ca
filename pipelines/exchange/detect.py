"""Which format a file or folder is in, told by its content."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scenescope.models import SourceError
from scenescope.pipelines.exchange.files import broken
from scenescope.pipelines.exchange.formats import FORMATS, Format
from scenescope.pipelines.exchange.yolo import PICTURE_SUFFIXES

__all__ = ["Recognised", "detect", "recognise"]

HEAD_BYTES = 65_536
LOOKED_AT = 2_000
COCO_LISTS = re.compile(r'"(images|annotations|categories)"\s*:\s*\[')


@dataclass(frozen=True)
class Recognised:
    """A format, where its file or folder is, and how sure that is.

    Attributes:
        sure: True when only this format looks like that.
        why: what it was known by, for people.
    """

    format: Format
    path: Path
    sure: bool
    why: str


def detect(path: Path) -> Format | None:
    """The format of a file, folder or ZIP archive; None when it is none that is known.

    Raises:
        SourceError: it is not there, or cannot be read at all.
    """
    found = recognise(path)
    return found.format if found else None


def recognise(path: Path) -> Recognised | None:
    """As :func:`detect`, with the reason.

    Raises:
        SourceError: it is not there, or cannot be read at all.
    """
    try:
        if not path.exists():
            raise SourceError(f"{path} does not exist.", hint="Check the spelling of the path.", permanent=True)
        if path.is_dir():
            return _folder(path)
        if path.suffix.lower() == ".zip":
            return _archive(path)
        return _file(path)
    except OSError as error:
        raise broken(path, error.strerror or str(error), "Check that it may be read.") from error


def _named(name: str, path: Path, sure: bool, why: str) -> Recognised:
    return Recognised(FORMATS[name], path, sure, why)


def _file(path: Path) -> Recognised | None:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head[:4] == b"PAR1":
        return _named("parquet", path, True, "it begins like a Parquet file")
    text = head.decode("utf-8-sig", "replace").lstrip()
    if text.startswith("<"):
        return _xml(path, text)
    if text.startswith("{"):
        return _json(path, text)
    if text.startswith(("train:", "names:", "path:", "nc:")) or path.suffix in (".yaml", ".yml"):
        return _named("yolo", path, "names:" in text, "it is a YAML file as YOLO has") if "names" in text else None
    line = text.split("\n", 1)[0].strip().casefold()
    columns = [column.strip().strip('"') for column in line.split(",")]
    if {"frame", "label", "x1", "y2"} <= set(columns):
        return _named("csv", path, True, "its columns are those of our tables")
    if len(re.split(r"[,; ]+", line)) >= 6 and re.fullmatch(r"[\d.,;eE+\- ]+", line):
        return _named("mot", path, path.name in ("gt.txt", "det.txt"), "its lines are numbers as in MOT")
    return None


def _xml(path: Path, text: str) -> Recognised | None:
    root = re.search(r"<([A-Za-z_][\w.-]*)", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))
    if root and root[1] == "annotations":
        sure = any(tag in text for tag in ("<track", "<image", "<meta"))
        return _named("cvat", path, sure, "its root is <annotations>")
    if root and root[1] == "annotation":
        return _named("voc", path, "<object" in text or "<size" in text, "its root is <annotation>")
    return None


def _json(path: Path, text: str) -> Recognised | None:
    if '"detections"' in text.split("\n", 1)[0] and '"frame"' in text:
        return _named("jsonl", path, True, "its lines are frames with detections")
    words = set(COCO_LISTS.findall(text))
    if not words and path.stat().st_size > HEAD_BYTES:
        with path.open("rb") as file:
            file.seek(-HEAD_BYTES, 2)
            words = set(COCO_LISTS.findall(file.read().decode("utf-8", "replace")))
    if words:
        return _named("coco", path, len(words) > 1, "it has lists of " + ", ".join(sorted(words)))
    return None


def _folder(folder: Path) -> Recognised | None:
    """By the files that only one format has; one folder around everything is looked through."""
    inside = [entry for entry in _some(folder) if not entry.name.startswith(".")]
    folders = [entry for entry in inside if entry.is_dir()]
    for place in (folder, *(folders if len(folders) == 1 and len(inside) == 1 else ())):
        if found := _place(place):
            return found
    return None


def _place(folder: Path) -> Recognised | None:
    for name in ("gt/gt.txt", "gt.txt", "det/det.txt"):
        if (folder / name).is_file():
            return _named("mot", folder, True, f"it holds {name}")
    for file in [*folder.glob("*.yaml"), *folder.glob("*.yml")][:20]:
        if b"names" in file.read_bytes()[:HEAD_BYTES]:
            return _named("yolo", folder, True, f"it holds {file.name} with class names")
    for name in ("classes.txt", "obj.names"):
        if (folder / name).is_file():
            return _named("yolo", folder, True, f"it holds {name}")
    annotations = folder / "Annotations"
    for place in (annotations, folder):
        first = next((file for file in _some(place) if file.suffix.lower() == ".xml"), None)
        if first is not None and (found := _file(first)) is not None:
            if found.format.name == "voc":
                return _named("voc", folder, True, f"{first.name} is an annotation of Pascal VOC")
            return found
    for file in sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json"), *folder.glob("*/*.json")])[:20]:
        if (found := _file(file)) and found.format.name == "coco":
            return found
    for file in sorted(_some(folder)):
        if file.suffix.lower() in (".jsonl", ".parquet", ".csv") and file.is_file() and (found := _file(file)):
            return found
    if (folder / "labels").is_dir() or any(_labelled(folder)):
        return _named("yolo", folder, False, "it holds text files named like pictures, but no class names")
    return None


def _some(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for count, entry in enumerate(folder.iterdir()):
            if count >= LOOKED_AT:
                return
            yield entry


def _labelled(folder: Path) -> Iterator[Path]:
    for entry in _some(folder):
        if entry.suffix.lower() in PICTURE_SUFFIXES and entry.with_suffix(".txt").is_file():
            yield entry


def _archive(path: Path) -> Recognised | None:
    """By the names in it; nothing is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.replace("\\", "/") for name in archive.namelist()[:100_000]]
            heads = {}
            for name in [name for name in names if name.endswith((".xml", ".json"))][:3]:
                with archive.open(name) as file:
                    heads[name] = file.read(HEAD_BYTES).decode("utf-8-sig", "replace").lstrip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise broken(path, f"it is no whole ZIP archive ({error})") from error
    if any(name.endswith("gt/gt.txt") for name in names):
        return _named("mot", path, True, "it holds gt/gt.txt")
    for name, head in heads.items():
        found = _xml(path, head) if head.startswith("<") else None
        if found:
            return Recognised(found.format, path, True, f"it holds {name.rsplit('/', 1)[-1]}, and {found.why}")
        if COCO_LISTS.search(head):
            return _named("coco", path, True, f"it holds {name.rsplit('/', 1)[-1]} as COCO has")
    if any(name.endswith((".yaml", ".yml", "classes.txt", "obj.names")) for name in names):
        return _named("yolo", path, True, "it holds class names as YOLO has")
    return None
