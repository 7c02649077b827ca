from __future__ import annotations

from pathlib import Path

import pytest

from scenescope.models import SpecError
from scenescope.pipelines import STAGES, PipelineSpec, presets


def test_bundled_presets_are_valid_for_the_installed_stages() -> None:
    found = presets.bundled()
    assert found[0].name == presets.DEFAULT
    assert [stage.kind for stage in found[0].spec.stages] == ["detect", "track"]
    for preset in found:
        assert preset.title
        assert preset.description.endswith(".")
        for stage in preset.spec.stages:
            STAGES.get(stage.kind).validated(stage.params)


def test_load_takes_a_preset_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    PipelineSpec(name="Mine").added("canny").save(file)
    assert presets.load("edges").stages[-1].kind == "canny"
    assert presets.load(str(file)).name == "Mine"
    assert presets.load(file).name == "Mine"


def test_own_presets_win_and_damaged_ones_are_left_out(tmp_path: Path) -> None:
    PipelineSpec(name="My edges").save(tmp_path / "edges.yaml")
    (tmp_path / "broken.yaml").write_text("stages: [", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    assert [preset.name for preset in presets.in_folder(tmp_path)] == ["edges"]
    assert presets.load("edges", folder=tmp_path).name == "My edges"
    assert presets.in_folder(tmp_path / "absent") == []


@pytest.mark.parametrize(("text", "hint"), [("detect-and-trak", "Did you mean 'detect-and-track'?"), ("zzz", "edges")])
def test_an_unknown_name_lists_what_there_is(text: str, hint: str) -> None:
    with pytest.raises(SpecError, match=text) as failure:
        presets.load(text)
    assert hint in failure.value.hint
    assert "detect-only" in failure.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gone\.yaml"):
        presets.load(tmp_path / "gone.yaml")
