"""Whether opening a file can run code that is in it, found out without opening it.

What is looked for, and who says that it is dangerous:

- pickles: the warning at the top of Python's ``pickle`` documentation; PyTorch's SECURITY.md;
- TorchScript that touches files: a TorchScript file is a program, says PyTorch's SECURITY.md;
- Keras ``Lambda`` layers: the documentation of ``keras.models.load_model``, ``safe_mode``;
- ``auto_map`` in a config.json: ``trust_remote_code`` in the documentation of transformers.
"""

from __future__ import annotations

import io
import json
import mmap
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["PICKLE_SUFFIXES", "TORCH_FILES", "risk_of", "risk_of_name"]

PICKLE_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")

_PICKLE = "It is a pickle, which can run any code while it loads"
_TORCHSCRIPT = "It is a TorchScript program that reads or writes files"
_COMPILED = "It holds compiled code, which runs when the network does"
_REMOTE_CODE = "Its config.json asks for Python code of its own to be run ('auto_map', trust_remote_code)"
_KERAS_CODE = {
    "Lambda": "It has a Lambda layer, which holds Python code",
    "__lambda__": "It holds Python code of a lambda",
    "TorchModuleWrapper": "It has a TorchModuleWrapper, which holds a pickle",
}

# Modules that a plain checkpoint of tensors names.
_HARMLESS = ("torch", "collections", "numpy", "_codecs", "builtins", "__builtin__")
# All that a tensor by itself needs.
_TENSORS_ONLY = re.compile(
    r"collections\.OrderedDict|torch\._utils\._rebuild_(tensor|tensor_v2|parameter)|torch\.(\w+Storage|Size|device)"
)
# Nothing in a network needs these.
_ALARMING = ("os", "posix", "nt", "subprocess", "sys", "socket", "shutil", "importlib", "runpy", "pty", "webbrowser")
_ALARMING_BUILTINS = ("eval", "exec", "compile", "__import__", "open")
_MOST_PICKLE_BYTES = 64 << 20
# Operations of TorchScript, in namespace aten, that read or write files.
TORCH_FILES = re.compile(rb"\b(from_file|save)\b")


def risk_of_name(name: str) -> str:
    """What the ending of a file's name tells before the file is there; empty when it tells nothing bad."""
    return _PICKLE if name.lower().endswith(PICKLE_SUFFIXES) else ""


def risk_of(path: Path) -> str:
    """Why opening a file or folder can run code, as a sentence without its full stop; empty when it cannot.

    The content is looked at, not only the name. Nothing of it is run. A file that is not there has no risk.
    """
    try:
        return _risk_of_folder(path) if path.is_dir() else _risk_of_file(path)
    except (OSError, zipfile.BadZipFile):
        return risk_of_name(path.name)


def _risk_of_folder(folder: Path) -> str:
    config = _json_of(folder / "config.json")
    if isinstance(config, dict) and config.get("auto_map"):
        return _REMOTE_CODE
    parts = [part for part in sorted(folder.rglob("*")) if part.is_file()]
    # Where there are safetensors, pickles of the same weights are not opened.
    safe = any(part.suffix == ".safetensors" for part in parts)
    for part in parts:
        looked_at = part.suffix in (".keras", ".h5", ".hdf5") or (part.suffix in PICKLE_SUFFIXES and not safe)
        if looked_at and (risk := _risk_of_file(part)):
            return f"{part.name}: {risk[:1].lower()}{risk[1:]}"
    return ""


def _risk_of_file(path: Path) -> str:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return _risk_of_archive(archive)
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return _risk_of_hdf5(path)
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        with path.open("rb") as file:
            return _pickle_risk([file.read(_MOST_PICKLE_BYTES)])
    return risk_of_name(path.name)


def _risk_of_archive(archive: zipfile.ZipFile) -> str:
    """Archives of PyTorch and Keras."""
    names = archive.namelist()
    pickles = [name for name in names if name.endswith(".pkl")]
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names) and pickles:
        return _torchscript_risk(archive)
    if pickles:
        return _pickle_risk(archive.open(name).read(_MOST_PICKLE_BYTES) for name in pickles)
    if any(name.endswith("archive_format") for name in names):
        return _risk_of_export(archive)
    if "config.json" in names:
        return _keras_risk(_parsed(archive.read("config.json")))
    return ""


def _torchscript_risk(archive: zipfile.ZipFile) -> str:
    """TorchScript knows PyTorch's own operations only; PyTorch reads its pickles itself, without Python's reader."""
    for name in archive.namelist():
        if "/code/" in name and name.endswith(".py") and (found := TORCH_FILES.search(archive.read(name))):
            return f"{_TORCHSCRIPT} ({found[0].decode()})"
    return ""


def _risk_of_export(archive: zipfile.ZipFile) -> str:
    """Archives of ``torch.export``: a graph, and tensors of which some may be pickled, example inputs always are.

    ``torch.export.load`` opens these without restriction when they hold more than tensors (torch 2.15,
    ``_export/serde/serialize.py``: "Fallback to weights_only=False").
    """
    for name in archive.namelist():
        if name.endswith((".so", ".dll", ".dylib", ".cubin", ".wrapper")) or "/aotinductor/" in name:
            return _COMPILED
        with archive.open(name) as part:
            start = part.read(2)
            if start not in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
                continue
            content = start + part.read(_MOST_PICKLE_BYTES)
        pickles = _pickles_in(content) if start == b"PK" else [content]
        if not all(_TENSORS_ONLY.fullmatch(named) for content in pickles for named in _globals(content)):
            return _pickle_risk(pickles)
    return ""


def _pickles_in(content: bytes) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]


def _pickle_risk(pickles: Any) -> str:
    """The sentence for a pickle, naming what it would call."""
    names = sorted({name for content in pickles for name in _globals(content)})
    alarming = [
        name
        for name in names
        if name.split(".")[0] in _ALARMING
        or name.removeprefix("__builtin__.").removeprefix("builtins.") in _ALARMING_BUILTINS
    ]
    if alarming:
        return f"{_PICKLE}, and it would: it calls {', '.join(alarming[:3])}"
    foreign = sorted({name.split(".")[0] for name in names} - {*_HARMLESS, "?"})
    return f"{_PICKLE}; it makes objects of {', '.join(foreign[:4])}" if foreign else _PICKLE


def _globals(content: bytes) -> Iterator[str]:
    """What a pickle imports, "module.name", without running it; "?" for what cannot be read."""
    pushed: list[str] = []
    memo: dict[Any, str] = {}
    last = "?"
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in ("GLOBAL", "INST"):
                yield str(argument).replace(" ", ".")
            elif opcode.name == "STACK_GLOBAL":
                yield ".".join(pushed[-2:])
            elif opcode.name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
                memo[len(memo) if argument is None else argument] = last
                continue
            elif opcode.name in ("GET", "BINGET", "LONG_BINGET"):
                last = memo.get(argument, "?")
                pushed.append(last)
                continue
            last = argument if isinstance(argument, str) else "?"
            if isinstance(argument, str) and opcode.name not in ("GLOBAL", "INST"):
                pushed.append(argument)
    except Exception:  # whatever a broken pickle makes of its reader
        yield "?"


def _risk_of_hdf5(path: Path) -> str:
    # The model's JSON is a text in the file; it need not be parsed to be found.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for name, risk in _KERAS_CODE.items():
            if any(content.find(f'"class_name":{space}"{name}"'.encode()) >= 0 for space in ("", " ")):
                return risk
    return ""


def _keras_risk(config: Any) -> str:
    if isinstance(config, dict):
        if (risk := _KERAS_CODE.get(str(config.get("class_name")))) is not None:
            return risk
        config = list(config.values())
    if isinstance(config, list):
        return next((risk for item in config if (risk := _keras_risk(item))), "")
    return ""


def _json_of(path: Path) -> Any:
    try:
        return _parsed(path.read_bytes())
    except OSError:
        return None


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
