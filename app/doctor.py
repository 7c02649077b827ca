"""``scenescope doctor``: looks at everything that has to be right, and says what to do about what is not."""

from __future__ import annotations

import importlib
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from scenescope.app.environment import apt_line, display_problem, missing_libraries
from scenescope.app.settings import Environment

__all__ = ["CHECKS", "Finding", "Status", "examine", "print_report"]

LEAST_PYTHON = (3, 11)
LEAST_MEMORY_GB = 2.0
EXTRAS = ("torch", "tensorflow", "ultralytics", "transformers", "ocr", "gpu", "assistant", "search")

_SYMBOLS = {"ok": "✓", "note": "·", "warn": "!", "fail": "✗"}
_STYLES = {"ok": "green", "note": "dim", "warn": "yellow", "fail": "bold red"}


class Status(StrEnum):
    """How something is: ``NOTE`` is worth knowing, ``WARN`` takes something away, ``FAIL`` is broken."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``blocks`` when the main job cannot run with it."""

    check: str
    status: Status
    text: str
    cure: str = ""
    blocks: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


Findings = Iterator[Finding]


def examine() -> list[Finding]:
    """The findings of all checks. A check that fails itself is a finding too."""
    findings: list[Finding] = []
    for name, check in CHECKS:
        try:
            findings += check(name)
        except Exception as error:
            findings.append(Finding(name, Status.FAIL, f"could not be checked: {type(error).__name__}: {error}"))
    return findings


def print_report(findings: list[Finding]) -> None:
    """Print the findings as a table, and what follows from them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table("", "", "", box=None, show_header=False, pad_edge=False)
    for finding in findings:
        word = Text(f"{_SYMBOLS[finding.status]} {finding.status}", style=_STYLES[finding.status])
        text = Text(finding.text + (f"\n{finding.cure}" if finding.cure else ""))
        made.add_row(word, Text(finding.check), text)
    console = Console()
    # Where only ASCII can be printed, the words are enough.
    if console.encoding.lower().startswith("utf"):
        console.print(made)
    else:
        for finding in findings:
            print(f"{finding.status:4} {finding.check}: {finding.text} {finding.cure}".rstrip())
    blocking = sum(finding.blocks for finding in findings)
    print()
    print("Scenescope can run here." if not blocking else "Scenescope cannot do its main job here yet: see 'fail'.")


# Checks ----------------------------------------------------------------------------------------------------------


def check_python(name: str) -> Findings:
    text = f"Python {platform.python_version()} ({sys.executable})"
    if sys.version_info < LEAST_PYTHON:
        yield Finding(name, Status.FAIL, text, "Install Python 3.11 or newer.", blocks=True)
    else:
        yield Finding(name, Status.OK, text)


def check_system(name: str) -> Findings:
    pretty = ""
    if hasattr(platform, "freedesktop_os_release"):
        try:
            pretty = platform.freedesktop_os_release().get("PRETTY_NAME", "")
        except OSError:
            pretty = ""
    yield Finding(name, Status.OK, f"{pretty or platform.platform()}, {platform.machine()}")


def check_packages(name: str) -> Findings:
    """The light base: every package that the installation itself asks for."""
    for package, specifier in _required(""):
        found = _version(package)
        if found is None:
            yield Finding(name, Status.FAIL, f"{package} is not installed", f"pip install {package}", blocks=True)
        elif not _fits(found, specifier):
            cure = f'pip install "{package}{specifier}"'
            yield Finding(name, Status.WARN, f"{package} {found} is not the version asked for ({specifier})", cure)
        else:
            yield Finding(name, Status.OK, f"{package} {found}")


def check_opencv(name: str) -> Findings:
    both = [p for p in ("opencv-python", "opencv-python-headless", "opencv-contrib-python") if _version(p)]
    try:
        import cv2
    except ImportError as error:
        yield Finding(name, Status.FAIL, f"OpenCV cannot be loaded: {error}", _library_cure(), blocks=True)
        return
    gui = re.search(r"^\s*GUI:\s*(\S+)", cv2.getBuildInformation(), re.MULTILINE)
    yield Finding(name, Status.OK, f"OpenCV {cv2.__version__}, window system of the build: {gui[1] if gui else 'none'}")
    if len(both) > 1:
        yield Finding(
            name,
            Status.NOTE,
            f"{' and '.join(both)} share one folder; the one installed last is used",
            f"If OpenCV misbehaves: pip uninstall -y {' '.join(both)} && pip install opencv-python",
        )


def check_pyside(name: str) -> Findings:
    found = _version("PySide6")
    if found is None:
        return
    if sys.version_info < (3, 12) and _numbers(found) >= (6, 12):
        yield Finding(
            name,
            Status.FAIL,
            f"PySide6 {found} aborts on Python 3.11 after about 10,000 calls (it loses references to None)",
            'pip install "PySide6>=6.8,<6.12"',
            blocks=True,
        )
    else:
        yield Finding(name, Status.OK, f"PySide6 {found} and Python {platform.python_version()} go together")


def check_qt_libraries(name: str) -> Findings:
    if not sys.platform.startswith("linux"):
        return
    needed = missing_libraries()
    for what, missing, blocks in (
        ("", needed, True),
        (" for windows on X11", [m for m in missing_libraries(x11=True) if m not in needed], False),
        (" for windows on Wayland", [m for m in missing_libraries(wayland=True) if m not in needed], False),
    ):
        if missing:
            text = f"Qt lacks{what}: {', '.join(library.soname for library in missing)}"
            status = Status.FAIL if blocks else Status.WARN
            yield Finding(name, status, text, apt_line(missing), blocks=blocks)
        else:
            yield Finding(name, Status.OK, f"all that Qt needs{what or ' itself'} is there")
    if needed:
        return
    try:
        importlib.import_module("PySide6.QtWidgets")
    except ImportError as error:
        yield Finding(name, Status.FAIL, f"Qt cannot be loaded: {error}", _library_cure(), blocks=True)


def check_display(name: str) -> Findings:
    problem = display_problem(Environment.read())
    if problem:
        yield Finding(name, Status.WARN, *problem)
    else:
        yield Finding(name, Status.OK, "a window can be shown")


def check_cameras(name: str) -> Findings:
    from scenescope.app import listing

    cameras = listing.cameras()
    for camera in cameras:
        yield Finding(name, Status.OK, f"{camera['name']}, {len(camera['formats'])} formats")
    closed = [str(node) for node in sorted(Path("/dev").glob("video*")) if not os.access(node, os.R_OK | os.W_OK)]
    if closed:
        cure = "Add yourself to the group 'video' (sudo usermod -aG video $USER) and log in again."
        yield Finding(name, Status.WARN, f"this user may not use {', '.join(closed)}", cure)
    elif not cameras:
        yield Finding(name, Status.NOTE, "no camera is connected; 'scenescope demo' needs none")


def check_onnxruntime(name: str) -> Findings:
    """What ONNX Runtime says it has, and what it really uses for the bundled network."""
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        yield Finding(
            name,
            Status.WARN,
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other: the GPU may go unused",
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu",
        )
    try:
        import onnxruntime
    except ImportError as error:
        cure = "pip install --force-reinstall onnxruntime"
        yield Finding(name, Status.FAIL, f"ONNX Runtime cannot be loaded: {error}", cure, blocks=True)
        return
    from scenescope.models.cards import bundled_cards
    from scenescope.models.vision.base import open_model

    has = [p.removesuffix("ExecutionProvider") for p in onnxruntime.get_available_providers()]
    has = [p for p in has if p != "Azure"]
    text = f"ONNX Runtime {onnxruntime.__version__}; installed: {', '.join(has)}"
    card = next(card for card in bundled_cards() if (card.runtime, card.task) == ("onnxruntime", "detection"))
    model = open_model(card)
    try:
        model.load()
        used = model.placement().device
    finally:
        model.close()
    wished = next((p for p in has if not p.startswith("Tensorrt")), "CPU")
    if wished != used:
        cure = f"{wished} is installed, but its libraries cannot be loaded; see the ONNX Runtime page of that provider."
        yield Finding(name, Status.WARN, f"{text}; really used: {used}", cure)
    else:
        yield Finding(name, Status.OK, f"{text}; really used: {used}")


def check_extras(name: str) -> Findings:
    for extra in EXTRAS:
        missing = [package for package, _ in _required(extra) if _version(package) is None]
        if missing:
            cure = f'pip install "scenescope[{extra}]", or in a clone: pip install ".[{extra}]"'
            yield Finding(name, Status.NOTE, f"{extra}: not installed ({', '.join(missing)})", cure)
        else:
            versions = ", ".join(f"{package} {_version(package)}" for package, _ in _required(extra))
            yield Finding(name, Status.OK, f"{extra}: {versions}")


def check_models(name: str) -> Findings:
    from scenescope.models.cards import bundled_cards, checked_file
    from scenescope.models.errors import ModelMissing

    for card in bundled_cards():
        try:
            checked_file(card)
        except ModelMissing as error:
            yield Finding(name, Status.FAIL, error.user_message, error.hint, blocks=True)
        else:
            yield Finding(name, Status.OK, f"{card.name}: the weights are those of its card")


def check_assistant(name: str) -> Findings:
    """What the assistant has beyond its rules: a model on this computer, a place for keys, search by meaning."""
    from scenescope.models.catalogue import Catalogue
    from scenescope.models.catalogue.offers import size_text
    from scenescope.models.language.local.folders import local_models, offered_models
    from scenescope.models.language.sentences import SentenceEmbedder
    from scenescope.models.language.server.keys import key_store_problem

    environment = Environment.read()
    catalogue = Catalogue(environment.models_dir, environment.offline)
    found = local_models(catalogue)
    for folder in found:
        yield Finding(name, Status.OK, f"{folder.title} can describe pictures on this computer")
    if not found:
        cures = (
            f"'scenescope models get {card.name}' ({size_text(card.download_size_bytes)}, {card.licence})"
            for card, _ in offered_models(catalogue)
        )
        text = "no model for descriptions on this computer; the built-in rules describe and answer without one"
        yield Finding(name, Status.NOTE, text, f"{' or '.join(cures)} downloads one, after asking.")
    problem = key_store_problem()
    if problem:
        text = f"keys of servers are kept until Scenescope ends, not in this computer's key store: {problem}"
        yield Finding(name, Status.NOTE, text)
    else:
        yield Finding(name, Status.OK, "keys of servers are kept in this computer's key store")
    missing = SentenceEmbedder().available()
    if missing:
        yield Finding(name, Status.NOTE, "what happened is searched by its words, not by meaning", missing)
    else:
        yield Finding(name, Status.OK, "what happened is searched by meaning, without a network connection")


def check_folders(name: str) -> Findings:
    environment = Environment.read()
    for what, folder in (("settings", environment.config_dir), ("data", environment.data_dir)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            cure = f"Make it writable, or set SCENESCOPE_{'CONFIG' if what == 'settings' else 'DATA'}_DIR."
            yield Finding(name, Status.WARN, f"{what}: {folder} cannot be written to ({error.strerror})", cure)
        else:
            yield Finding(name, Status.OK, f"{what}: {folder}")


def check_video(name: str) -> Findings:
    try:
        import av
    except ImportError as error:
        cure = "pip install --force-reinstall av"
        yield Finding(name, Status.FAIL, f"PyAV cannot be loaded: {error}", cure, blocks=True)
        return
    from scenescope.pipelines.sinks.video import encoder_name

    encoder = encoder_name()
    text = f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}, encoder: {encoder or 'none'}"
    if encoder == "libx264":
        yield Finding(name, Status.OK, text)
    else:
        lost = "videos are written larger (MPEG-4)" if encoder else "no annotated video can be written"
        yield Finding(name, Status.WARN, f"{text}: {lost}", "pip install --force-reinstall --only-binary av av")


def check_machine(name: str) -> Findings:
    import psutil

    from scenescope.models.budget import usable_cores

    memory = psutil.virtual_memory()
    text = f"{usable_cores()} cores, {memory.total / 2**30:.1f} GiB of memory, {memory.available / 2**30:.1f} free"
    if memory.available < LEAST_MEMORY_GB * 2**30:
        yield Finding(name, Status.WARN, text, "Close other programs: large networks need 2 GiB and more.")
    else:
        yield Finding(name, Status.OK, text)


CHECKS: tuple[tuple[str, Callable[[str], Findings]], ...] = (
    ("Python", check_python),
    ("System", check_system),
    ("Machine", check_machine),
    ("Packages", check_packages),
    ("OpenCV", check_opencv),
    ("PySide6", check_pyside),
    ("Qt libraries", check_qt_libraries),
    ("Display", check_display),
    ("Cameras", check_cameras),
    ("ONNX Runtime", check_onnxruntime),
    ("Models", check_models),
    ("Video", check_video),
    ("Assistant", check_assistant),
    ("Folders", check_folders),
    ("Extras", check_extras),
)


# Helpers ---------------------------------------------------------------------------------------------------------


def _required(extra: str) -> list[tuple[str, str]]:
    """Names and version limits of the packages that an extra asks for; of the base for an empty ``extra``."""
    found = []
    for line in requires("scenescope") or []:
        requirement, _, marker = line.partition(";")
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(.*)", requirement.strip())
        wanted = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
        if match is None or match[1] == "scenescope" or (wanted[1] if wanted else "") != extra or not _applies(marker):
            continue
        found.append((match[1], match[2]))
    return found


def _applies(marker: str) -> bool:
    """Whether the parts of a marker that concern Python and the system hold here."""
    here = {"python_version": sys.version_info[:2], "platform_system": platform.system()}
    for name, operator, value in re.findall(r"(\w+)\s*(<|>=|==|!=)\s*['\"]([^'\"]+)", marker):
        if name not in here:
            continue
        wanted: Any = _numbers(value) if name == "python_version" else value
        have: Any = here[name]
        holds = {"<": have < wanted, ">=": have >= wanted, "==": have == wanted, "!=": have != wanted}
        if not holds[operator]:
            return False
    return True


def _fits(found: str, specifier: str) -> bool:
    for operator, value in re.findall(r"(>=|<)\s*([0-9.]+)", specifier):
        if (_numbers(found) >= _numbers(value)) != (operator == ">="):
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _library_cure() -> str:
    missing = missing_libraries(x11=True)
    return apt_line(missing) if missing else "Install Scenescope again in a fresh virtual environment."
