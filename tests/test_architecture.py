"""Imports point down, heavy libraries wait until a stage opens, and the list of packages is the tree."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("resources", "models", "pipelines", "widgets", "app")
MAY_IMPORT = {
    "resources": set(),
    "models": {"models", "resources"},
    "pipelines": {"pipelines", "models", "resources"},
    "widgets": {"widgets", "pipelines", "models", "resources"},
    "app": {"app", "widgets", "pipelines", "models", "resources"},
}
HEAVY = {
    "pydantic_ai",
    "openai",
    "keyring",
    "sentence_transformers",
    "ai_edge_litert",
    "keras",
    "matplotlib",
    "onnxruntime",
    "rapidocr",
    "scipy",
    "supervision",
    "tensorflow",
    "torch",
    "torchvision",
    "trackers",
    "transformers",
    "ultralytics",
}


def python_files(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


def imports(path: Path, module_level_only: bool = False) -> list[str]:
    """Dotted names that a file imports; ``if TYPE_CHECKING`` counts for direction, not for load."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if module_level_only else list(ast.walk(tree))
    names: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.append(node.module or "")
    return names


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_down(layer):
    files = python_files(layer)
    assert files
    for path in files:
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "scenescope" and len(parts) > 1:
                assert parts[1] in MAY_IMPORT[layer], f"{path.relative_to(ROOT)} imports {name}"
            assert parts[0] not in LAYERS, f"{path.relative_to(ROOT)} imports the bare {name}"


@pytest.mark.parametrize("layer", ["resources", "models", "pipelines"])
def test_qt_stays_in_the_upper_two_folders(layer):
    for path in python_files(layer):
        assert not [n for n in imports(path) if n.split(".")[0] in ("PySide6", "PyQt6", "shiboken6")], path


def test_heavy_libraries_are_not_imported_at_module_level():
    for layer in LAYERS:
        for path in python_files(layer):
            heavy = [n for n in imports(path, module_level_only=True) if n.split(".")[0] in HEAVY]
            assert not heavy, f"{path.relative_to(ROOT)}: {heavy}"


def test_only_settings_reads_the_environment():
    for layer in LAYERS:
        for path in python_files(layer):
            if path.relative_to(ROOT).as_posix() in ("app/settings.py", "app/environment.py"):
                continue
            text = path.read_text(encoding="utf-8")
            assert "os.environ" not in text, path
            assert "getenv" not in text, path


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("scenescope.app", {"numpy", "cv2", "PySide6", "av", *HEAVY}),
        ("scenescope.app.cli", {"cv2", "PySide6", "av", *HEAVY}),
        ("scenescope.models", {"cv2", "PySide6", "av", "pydantic", "yaml", *HEAVY}),
        ("scenescope.pipelines.engine", {"PySide6", *HEAVY}),
    ],
)
def test_what_importing_a_package_loads(module, forbidden):
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & forbidden


def test_every_package_is_listed_for_installation():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(config["tool"]["setuptools"]["packages"])
    present = {
        "scenescope." + ".".join(folder.relative_to(ROOT).parts)
        for layer in LAYERS
        for folder in [ROOT / layer, *(ROOT / layer).rglob("*")]
        if (folder / "__init__.py").is_file()
    }
    assert listed == present


def test_every_python_file_reads_in_one_sitting():
    long = {
        path.relative_to(ROOT).as_posix(): count
        for layer in LAYERS
        for path in python_files(layer)
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 450
    }
    assert not long


def test_entry_points_name_classes_that_exist():
    from scenescope.pipelines import SINKS, SOURCES, STAGES

    for registry in (STAGES, SOURCES, SINKS):
        rows = registry.rows()
        assert rows
        assert not [row for row in rows if row.problem]
