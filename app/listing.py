"""What there is: models, stages, cameras and compute devices, as plain values for JSON and as tables for people."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

from scenescope.app.environment import missing_libraries, neutralise_opencv_qt
from scenescope.app.settings import change_environment, variable

__all__ = [
    "available_models",
    "cameras",
    "devices",
    "models",
    "print_devices",
    "print_models",
    "print_stages",
    "stages",
    "table",
]

Rows = list[dict[str, Any]]

PIPE_WIDTH = 160


def models() -> Rows:
    """The networks of this computer; ``intact`` tells whether their weights are those of the card."""
    from scenescope.models.catalogue import current

    rows = [
        _model_row(card) | {"intact": not (problem := _weights_problem(card)), "problem": problem}
        for card in current().cards()
    ]
    for damaged in current().damaged():
        empty = dict.fromkeys(rows[0], "") | {"size_bytes": 0, "trusted": False, "intact": False}
        rows.append(empty | {"name": damaged.name, "origin": "local", "problem": damaged.problem})
    return rows


def available_models() -> Rows:
    """The networks that can be downloaded and are not here; ``size_bytes`` is about right."""
    from scenescope.models.catalogue import current

    return [_model_row(card) | {"size_bytes": card.download_size_bytes} for card in current().available()]


def _model_row(card: Any) -> dict[str, Any]:
    from scenescope.models.catalogue.trust import is_trusted, risk_of

    here = card.path.exists()
    return {
        "name": card.name,
        "title": card.title,
        "summary": card.summary,
        "task": card.task,
        "architecture": card.architecture,
        "runtime": card.runtime,
        "licence": card.licence,
        "size_bytes": card.size_bytes,
        "sha256": card.sha256,
        "source": card.source,
        "origin": card.origin if here else "available",
        "path": str(card.path) if here else "",
        "risk": (risk := risk_of(card.path)),
        "trusted": not risk or (here and is_trusted(card.path)),
    }


def _weights_problem(card: Any) -> str:
    from scenescope.models.cards import checked_file
    from scenescope.models.errors import ModelMissing

    try:
        checked_file(card)
    except ModelMissing as error:
        return str(error)
    return ""


def stages() -> Rows:
    """Every stage that is registered, with the JSON Schema of its parameters; ``problem`` says why one is unusable."""
    from scenescope.pipelines.registry import STAGES

    rows = []
    for row in STAGES.rows():
        cls = None if row.problem else STAGES.get(row.name)
        rows.append(
            {
                "kind": row.name,
                "title": cls.info.title if cls else row.name,
                "group": cls.info.group if cls else "",
                "summary": cls.info.summary if cls else "",
                "stateful": cls.info.stateful if cls else None,
                "lane": cls.info.lane if cls else None,
                "params": cls.Params.model_json_schema() if cls else {},
                "distribution": row.distribution,
                "problem": row.problem,
            }
        )
    return rows


def devices() -> dict[str, Rows]:
    """Cameras, and what networks can run on."""
    return {"cameras": cameras(), "compute": _compute()}


def cameras() -> Rows:
    """The cameras that are connected now; none where Qt, which finds them, cannot be loaded."""
    if find_spec("PySide6") is None or missing_libraries():
        return []
    if not variable("QT_QPA_PLATFORM"):
        # Nothing is shown, so no window system is needed.
        change_environment({"QT_QPA_PLATFORM": "offscreen"})
    neutralise_opencv_qt()
    from PySide6.QtCore import QLoggingCategory

    # Which sound servers are missing is of no interest here.
    QLoggingCategory.setFilterRules("qt.multimedia.*=false")
    from PySide6.QtGui import QGuiApplication

    from scenescope.widgets.cameras import list_cameras

    application = QGuiApplication.instance() or QGuiApplication(["scenescope"])
    found = list_cameras()
    del application
    return [
        {
            "name": camera.name,
            "id": camera.stable_id,
            "default": camera.is_default,
            "formats": [{"size_wh": list(form.size_wh), "rate_hz": form.rate_hz} for form in camera.formats],
        }
        for camera in found
    ]


def _compute() -> Rows:
    rows: Rows = []
    if find_spec("onnxruntime") is not None:
        import onnxruntime

        for provider in onnxruntime.get_available_providers():
            name = provider.removesuffix("ExecutionProvider")
            if name == "Azure":  # a client of a service on the internet, not a device
                continue
            rows.append({"runtime": "onnxruntime", "device": name, "detail": f"ONNX Runtime {onnxruntime.__version__}"})
    if find_spec("torch") is not None:
        import torch

        rows.append({"runtime": "torch", "device": "CPU", "detail": f"PyTorch {torch.__version__}"})
        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            memory = f"{properties.total_memory / 2**30:.0f} GiB"
            rows.append({"runtime": "torch", "device": f"CUDA:{number}", "detail": f"{properties.name}, {memory}"})
        if torch.backends.mps.is_available():
            rows.append({"runtime": "torch", "device": "MPS", "detail": "Apple GPU"})
    return rows


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table on stdout, as wide as the terminal allows; cells wrap."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    # Names are there to be copied.
    made = Table(
        Column(columns[0], no_wrap=True),
        *(Column(name, overflow="fold") for name in columns[1:]),
        title=title,
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    # A pipe or a file has no width of its own.
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(made)


def print_models(found: Rows) -> None:
    """The networks as a table."""
    from scenescope.models.catalogue.offers import size_text

    rows = [
        [row["name"], row["task"], row["runtime"], row["licence"], size_text(row["size_bytes"]), _model_state(row)]
        for row in found
    ]
    table("", ["Name", "Task", "Runtime", "Licence", "Size", "State"], rows)
    for row in found:
        if row.get("problem"):
            print(f"{row['name']}: {row['problem']}")


def _model_state(row: dict[str, Any]) -> str:
    if row["origin"] == "available":
        return "to download"
    return "damaged" if row["problem"] else "ok" if row["trusted"] else "not trusted yet"


def print_stages(found: Rows) -> None:
    """The stages as a table."""
    rows = [[row["kind"], row["title"], row["group"], row["problem"] or row["summary"]] for row in found]
    table("", ["Kind", "Title", "Group", "What it does"], rows)


def print_devices(found: dict[str, Rows]) -> None:
    """Cameras and compute devices as tables."""
    cameras = [
        [camera["name"], camera["id"], ", ".join(_format(form) for form in camera["formats"][:6])]
        for camera in found["cameras"]
    ]
    if cameras:
        table("Cameras", ["Name", "Id", "Formats"], cameras)
    else:
        print("No camera is connected, or this user may not see it.")
    print()
    compute = [[row["runtime"], row["device"], row["detail"]] for row in found["compute"]]
    table("Networks can run on", ["Runtime", "Device", "What"], compute)


def _format(form: dict[str, Any]) -> str:
    width, height = form["size_wh"]
    return f"{width}x{height} at {form['rate_hz']:g}"
