"""Network files that are programs: looked through before they are opened, for more than arithmetic.

PyTorch's and TensorFlow's security policies both say that such a file is a program. Its language knows only the
library's own operations, nearly all of them arithmetic; the few that touch files, and the ways by which a file makes
the library run Python, are looked for here. A file that has one is opened only when the user trusts it.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scenescope.models.catalogue.risk import TORCH_FILES
from scenescope.models.catalogue.trust import require_trust
from scenescope.models.errors import ModelIncompatible, ScenescopeError
from scenescope.models.vision.network import MOST_TENSOR_BYTES, explained

__all__ = ["check_exported", "check_saved_model", "check_torchscript", "members"]

# Operations of TensorFlow that read or write files, reach other computers, run Python, or end the process. SaveV2 and
# its like are in every SavedModel and are left out: saving is not what is run.
_TENSORFLOW_FILES = re.compile(
    rb"WriteFile|ReadFile|PyFunc|MatchingFiles|FileSystemSetConfiguration|SummaryFileWriter|SummaryDbWriter|PrintV2"
    rb"|DatasetToTFRecord|SaveDataset|LoadDataset|SnapshotDataset|DistributedSave|DataServiceDataset|SqlDataset|TFRecord"
    rb"|LMDBReader|WholeFileReader|TextLineReader|TextLineDataset|FixedLengthRecord|RecordInput|RemoteCall|Abort"
    rb"|DebugIdentity|DebugNumericSummary|DebugNanCount|DebugGradient"
)

# What an exported program may call: resolved by name in torch, operator and math, so anything else could be named.
_CALLS = re.compile(
    r"torch\.ops\.(aten|prims|torchvision|quantized|quantized_decomposed|higher_order)\.(?!from_file|save)\w+(\.\w+)?"
    r"|_operator\.\w+|math\.\w+|torch\.sym_\w+"
)
# Sizes are expressions that sympy evaluates as Python; these are the words of which PyTorch writes them.
_SIZE_WORDS = re.compile(
    r"[suzf]+\d+|\d+|Symbol|Integer|Rational|Float|precision|integer|positive|nonnegative|True|False|true|false|int_oo|oo"
    r"|Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|CeilDiv|ModularIndexing|PowByNatural|IntTrueDiv|FloatTrueDiv"
    r"|TruncToInt|CeilToInt|FloorToInt|RoundToInt|ToFloat|Where|And|Or|Not|Eq|Ne|Lt|Le|Gt|Ge"
    r"|Equality|Unequality|StrictLessThan|LessThan|StrictGreaterThan|GreaterThan"
)
_NAME = re.compile(r"[A-Za-z_]\w*|")


def check_torchscript(path: Path) -> None:
    """Look through a TorchScript file.

    Raises:
        ModelIncompatible: it is none.
        ModelRefused: its program names an operation that touches files.
    """
    code = [(name, text) for name, text in _archive(path, "TorchScript") if "/code/" in name and name.endswith(".py")]
    for _, text in code:
        found = TORCH_FILES.search(text)
        if found:
            require_trust(path, f"It is a TorchScript program that reads or writes files ({found[0].decode()})")


def check_exported(path: Path) -> None:
    """Look through a file of ``torch.export.save``, of which PyTorch evaluates parts as Python.

    Raises:
        ModelIncompatible: it is none.
        ModelRefused: it holds pickles, compiled code, or calls and expressions that no export of a network has.
    """
    import torch

    programs = 0
    for name, content in _archive(path, "an exported program"):
        place = name.partition("/")[2]
        if place.startswith("data/aotinductor/") or place.endswith((".so", ".dll", ".dylib")):
            require_trust(path, "It holds code that was compiled for one kind of computer")
        elif place.endswith(".pt"):
            try:
                torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
            except Exception:
                require_trust(path, "It holds a pickle, which can run any code while it loads")
        elif place.endswith(".json"):
            programs += place.startswith("models/")
            with explained(f"PyTorch cannot open {path.name} as an exported program"):
                found = next(_suspects(json.loads(content)), "")
            if found:
                require_trust(path, f"It holds what no exported network needs ({found[:60]})")
    if not programs:
        raise ModelIncompatible(f"{path.name} is not an exported program of PyTorch 2.8 or newer.", hint=_AGAIN)


def check_saved_model(folder: Path) -> None:
    """Look through a SavedModel.

    Raises:
        ModelIncompatible: the folder is none.
        ModelRefused: its graph has an operation that touches files.
    """
    graphs = [folder / name for name in ("saved_model.pb", "saved_model.pbtxt") if (folder / name).is_file()]
    if not graphs:
        raise ModelIncompatible(f"{folder.name} is not a SavedModel: it has no saved_model.pb.")
    for graph in graphs:
        found = _TENSORFLOW_FILES.search(graph.read_bytes())
        if found:
            require_trust(folder, f"Its program reads or writes files ({found[0].decode()})")


_AGAIN = "Export it again with torch.export.save."


def members(path: Path) -> list[str]:
    """Names of the files in a zip archive, without the folder that holds them all; none if it is no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.partition("/")[2] for name in archive.namelist()]
    except Exception:
        return []


def _archive(path: Path, kind: str) -> Iterator[tuple[str, bytes]]:
    """Every file of the archive that may be more than weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                place = entry.filename.partition("/")[2]
                if place.endswith((".py", ".json", ".pt", ".so", ".dll", ".dylib")) or "aotinductor" in place:
                    if entry.file_size > MOST_TENSOR_BYTES:
                        raise ModelIncompatible(f"{path.name} is damaged: {place} claims {entry.file_size} bytes.")
                    yield entry.filename, archive.read(entry)
    except ScenescopeError:
        raise
    except Exception as error:  # a damaged archive fails in any of its layers
        raise ModelIncompatible(
            f"{path.name} is not {kind}: it is no whole zip archive.", hint="Fetch it again."
        ) from error


def _suspects(part: Any, key: str = "") -> Iterator[str]:
    """What in an exported program's JSON would be run, and is none of what exports of networks have."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("use_pickle", "as_custom_obj") and value:
                yield name
            if name in ("range_constraints", "symbol_values"):
                yield from (symbol for symbol in value if not _is_size(symbol))
            if name != "metadata":
                yield from _suspects(value, name)
    elif isinstance(part, list):
        for value in part:
            yield from _suspects(value, key)
    elif isinstance(part, str):
        fine = {"target": _CALLS, "as_operator": _CALLS, "name": _NAME}.get(key)
        bad = (fine is not None and not fine.fullmatch(part)) or (key == "expr_str" and not _is_size(part))
        if bad or "__enum__" in part or "default_factory" in part:
            yield part


def _is_size(expression: str) -> bool:
    words = re.findall(r"\w+", expression)
    return not re.search(r"[^\w\s+*/().,<>='-]", expression) and all(_SIZE_WORDS.fullmatch(word) for word in words)
