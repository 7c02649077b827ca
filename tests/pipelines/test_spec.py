"""Pipelines on disk and in edits."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from scenescope.models import SpecError
from scenescope.pipelines import PipelineSpec, StageSpec

SPEC = PipelineSpec(
    name="Street",
    stages=(
        StageSpec(id="detect", kind="detect", params={"confidence": 0.4, "only": ["car", "person"]}),
        StageSpec(id="track", kind="track", enabled=False),
    ),
)


def ids(spec: PipelineSpec) -> list[str]:
    return [stage.id for stage in spec.stages]


def test_a_file_keeps_everything(tmp_path):
    path = tmp_path / "deep" / "street.yaml"
    SPEC.save(path)
    assert PipelineSpec.load(path) == SPEC
    assert not list(tmp_path.rglob("*.part"))


def test_a_file_with_a_missing_plugin_keeps_its_parameters(tmp_path):
    text = "stages:\n- id: a\n  kind: from-the-moon\n  params: {phase: [1, two, {x: 3.5}]}\n"
    spec = PipelineSpec.from_yaml(text)
    assert PipelineSpec.from_yaml(spec.to_yaml()).stages[0].params == {"phase": [1, "two", {"x": 3.5}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"f\.yaml is not a pipeline: it must hold 'stages:' with a list"),
        ("- a\n- b\n", "it must hold 'stages:'"),
        ("stages: [", r"is not valid YAML \(line 1\)"),
        ("stages: 3", "stages: must be a valid tuple, not 3"),
        ("stages: [{id: a}]", r"stages\.0\.kind: Field required"),
        ("stages: [{id: 'a b', kind: x}]", r"stages\.0\.id"),
        ("stages: [{id: a, kind: x}, {id: a, kind: y}]", "two stages have the id 'a'"),
        ("stages: []\ncolour: red", "there is no parameter 'colour'"),
        ("version: 9\nstages: []", "version: must be less than or equal to 1"),
        ("stages: [{id: a, kind: x, params: !!python/object/apply:os.system [ls]}]", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_fault(text, message):
    with pytest.raises(SpecError, match=message):
        PipelineSpec.from_yaml(text, where="f.yaml")


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(SpecError, match="No such file"):
        PipelineSpec.load(tmp_path / "none.yaml")
    (tmp_path / "picture.yaml").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(SpecError, match="is not a text file"):
        PipelineSpec.load(tmp_path / "picture.yaml")


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda s: s.added("canny"), ["detect", "track", "canny"]),
        (lambda s: s.added("detect", at=0), ["detect-2", "detect", "track"]),
        (lambda s: s.added("detect").added("detect"), ["detect", "track", "detect-2", "detect-3"]),
        (lambda s: s.removed("detect"), ["track"]),
        (lambda s: s.moved("track", 0), ["track", "detect"]),
        (lambda s: s.moved("detect", 99), ["track", "detect"]),
        (lambda s: s.duplicated("detect"), ["detect", "detect-2", "track"]),
    ],
)
def test_edits_make_a_new_pipeline(edit, expected):
    before = SPEC.model_dump()
    assert ids(edit(SPEC)) == expected
    assert SPEC.model_dump() == before


def test_edits_of_one_stage():
    assert SPEC.enabled("track", True).stage("track").enabled
    assert SPEC.with_params("detect", iou=0.5).stage("detect").params == {
        "confidence": 0.4,
        "only": ["car", "person"],
        "iou": 0.5,
    }
    assert SPEC.duplicated("detect").stage("detect-2").params == SPEC.stage("detect").params
    with pytest.raises(SpecError, match="no stage 'nobody'"):
        SPEC.removed("nobody")


def test_the_schema_accepts_what_we_write_and_refuses_what_we_refuse():
    schema = PipelineSpec.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(SPEC.to_yaml()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"stages": [{"id": "a b", "kind": "x"}]}, schema)
