"""Presets: pipelines that come with Scenescope, and those that the user keeps in a folder."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from scenescope.models import SpecError
from scenescope.pipelines.spec import PipelineSpec

__all__ = ["DEFAULT", "Preset", "bundled", "in_folder", "load"]

DEFAULT = "detect-and-track"
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Preset:
    """A pipeline with a name to type (``detect-and-track``) and words for people."""

    name: str
    title: str
    description: str
    spec: PipelineSpec


def bundled() -> list[Preset]:
    """The presets of this installation, the default first, the others by title. No stage is imported."""
    folder = files("scenescope.resources").joinpath("presets")
    found = [
        _preset(entry.name, PipelineSpec.from_yaml(entry.read_text(encoding="utf-8"), where=entry.name))
        for entry in folder.iterdir()
        if entry.name.endswith(_SUFFIXES)
    ]
    return sorted(found, key=lambda preset: (preset.name != DEFAULT, preset.title))


def in_folder(folder: Path) -> list[Preset]:
    """The user's own presets, by title; files that are not pipelines are left out, a missing folder has none."""
    found = []
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if path.suffix.lower() in _SUFFIXES:
            try:
                found.append(_preset(path.name, PipelineSpec.load(path)))
            except SpecError:
                continue
    return sorted(found, key=lambda preset: preset.title)


def load(name_or_path: str | Path, folder: Path | None = None) -> PipelineSpec:
    """The pipeline that the user names: a preset of ``folder``, a bundled preset, or a file.

    Args:
        name_or_path: ``detect-and-track``, or ``my/pipeline.yaml``.
        folder: the user's own presets, which win over bundled ones of the same name.

    Raises:
        SpecError: nothing is called so, or the file is not a pipeline; the hint lists the presets.
    """
    text = str(name_or_path)
    known: dict[str, PipelineSpec] = {
        preset.name: preset.spec for preset in (*bundled(), *(in_folder(folder) if folder else ()))
    }
    if text in known:
        return known[text]
    path = Path(text).expanduser()
    if path.suffix.lower() in _SUFFIXES or path.is_file():
        return PipelineSpec.load(path)
    near = difflib.get_close_matches(text.lower(), known, n=1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    raise SpecError(
        f"There is no preset and no pipeline file called '{text}'.",
        hint=f"{guess}Presets: {', '.join(sorted(known))}; or give the path of a .yaml file.",
    )


def _preset(file_name: str, spec: PipelineSpec) -> Preset:
    name = Path(file_name).stem
    return Preset(name, spec.name or name, spec.description, spec)
