from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, model_validator
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from scenescope.pipelines import Device, FilePath, Line, ModelOf, Region, StageParams
from scenescope.pipelines.fakes import fake_registry
from scenescope.pipelines.params import LAST
from scenescope.widgets.field_editor import FieldEditor
from scenescope.widgets.field_editors import ChoiceEditor, NumberEditor, OptionalEditor, ShapeEditor, SwitchEditor
from scenescope.widgets.param_fields import FieldKind, checked, describe, json_values, title_of
from scenescope.widgets.params_form import ParamsForm, UnknownForm
from scenescope.widgets.text_editors import FileEditor, NamesEditor, TextEditor, YamlEditor

pytestmark = pytest.mark.slow


class Shade(StrEnum):
    DARK = "dark"
    BRIGHT = "bright"


class AllKinds(StageParams):
    """One parameter of every kind."""

    count: int = Field(3, ge=1, le=9, description="How many.")
    big: int = Field(0, ge=0, description="No upper bound.")
    share: float = Field(0.25, ge=0, le=1, description="A part.")
    above: float = Field(0.5, gt=0, lt=1, description="Open bounds.")
    even: int = Field(4, ge=0, le=10, multiple_of=2, description="Steps of two.")
    width_px: float = Field(2.0, ge=0.1, le=50, description="In pixels.")
    turn_deg: int = Field(0, ge=-180, le=180, description="In degrees.")
    on: bool = Field(True, description="Yes or no.")
    mode: Literal["fast", "exact_one"] = Field("fast", description="Which.")
    shade: Shade = Field(Shade.DARK, description="An enum.")
    only: tuple[str, ...] = Field((), description="Names; none keeps all.")
    title: str = Field("", max_length=5, description="Text.")
    zone: Region = Field(Region(), description="Where.")
    gate: Line = Field(Line(), description="Crossed.")
    limit: float | None = Field(None, ge=0, le=10, description="Perhaps.")
    deep: Annotated[int, Field(ge=2, le=5)] | None = Field(3, description="Bounds inside.")
    pair: tuple[int, int] = Field((1, 2), description="Anything else.")
    picture: Path | None = Field(None, description="A file.")
    sticker: FilePath = Field("", description="A file or none.")
    model: Annotated[str, ModelOf("detection")] = Field("nanodet_g_416_coco", description="A network.")
    device: Device = Field("auto", description="Where.", json_schema_extra=LAST)
    behind: int = Field(1, ge=0, le=3, description="Declared behind the one that is shown last.")


class TwoBounds(StageParams):
    low: int = Field(10, ge=0, le=100)
    high: int = Field(20, ge=0, le=100)

    @model_validator(mode="after")
    def _ordered(self) -> TwoBounds:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


FIELDS = {field.name: field for field in describe(AllKinds)}


@pytest.mark.parametrize(
    ("name", "kind", "editor"),
    [
        ("count", FieldKind.INTEGER, NumberEditor),
        ("big", FieldKind.INTEGER, NumberEditor),
        ("share", FieldKind.NUMBER, NumberEditor),
        ("on", FieldKind.SWITCH, SwitchEditor),
        ("mode", FieldKind.CHOICE, ChoiceEditor),
        ("shade", FieldKind.CHOICE, ChoiceEditor),
        ("only", FieldKind.NAMES, NamesEditor),
        ("title", FieldKind.TEXT, TextEditor),
        ("zone", FieldKind.REGION, ShapeEditor),
        ("gate", FieldKind.LINE, ShapeEditor),
        ("limit", FieldKind.NUMBER, OptionalEditor),
        ("deep", FieldKind.INTEGER, OptionalEditor),
        ("pair", FieldKind.YAML, YamlEditor),
        ("picture", FieldKind.FILE, OptionalEditor),
        ("sticker", FieldKind.FILE, FileEditor),
        ("model", FieldKind.CHOICE, ChoiceEditor),
        ("device", FieldKind.CHOICE, ChoiceEditor),
    ],
)
def test_every_kind_gets_its_editor(qtbot: Any, name: str, kind: FieldKind, editor: type[FieldEditor]) -> None:
    form = ParamsForm(AllKinds)
    qtbot.addWidget(form)
    form.show_values({})
    assert FIELDS[name].kind is kind
    assert type(form.rows[name].editor) is editor
    assert form.rows[name].editor.field.description
    assert form.rows[name].title.toolTip() or kind is FieldKind.SWITCH


def test_networks_and_devices_are_offered_and_others_shown_as_such(qtbot: Any) -> None:
    assert ("nanodet_g_416_coco", "NanoDet-g 416 (COCO)") in FIELDS["model"].choices
    assert FIELDS["device"].choices[:2] == (("auto", "Automatic"), ("cpu", "CPU"))
    assert list(FIELDS)[-1] == "device"
    form = ParamsForm(AllKinds)
    qtbot.addWidget(form)
    form.show_values({"model": "yolo99", "device": "cuda:7"})
    for name, text in {"model": "yolo99 (not here)", "device": "cuda:7 (not here)"}.items():
        editor = form.rows[name].editor
        assert isinstance(editor, ChoiceEditor)
        assert editor.combo.currentText() == text


def test_a_file_is_typed_or_chosen(qtbot: Any, monkeypatch: Any, tmp_path: Path) -> None:
    form = ParamsForm(AllKinds)
    qtbot.addWidget(form)
    form.show_values({"picture": "a.png"})
    editor = form.rows["picture"].editor
    assert isinstance(editor, OptionalEditor)
    assert isinstance(editor.inner, FileEditor)
    told: list[Any] = []
    editor.edited.connect(lambda value, gesture: told.append(value))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args: (str(tmp_path / "b.png"), ""))
    editor.inner.browse.click()
    assert told == [str(tmp_path / "b.png")]
    assert checked(AllKinds, {}, "picture", told[0]) == (told[0], "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("keep_lost_s", ("Keep lost", "s")),
        ("sigma_px", ("Sigma", "px")),
        ("overlap_iou", ("Overlap IoU", "")),
        ("turn_deg", ("Turn", "°")),
        ("rate_hz", ("Rate", "Hz")),
        ("s", ("S", "")),
    ],
)
def test_titles_and_units(name: str, expected: tuple[str, str]) -> None:
    assert title_of(name) == expected


@pytest.mark.parametrize(
    ("name", "bounds", "step", "decimals"),
    [
        ("count", (1, 9), 1, 0),
        ("big", (0, None), 1, 0),
        ("share", (0, 1), 0.01, 2),
        ("above", (0.01, 0.99), 0.01, 2),
        ("even", (0, 10), 2, 0),
        ("width_px", (0.1, 50), 0.1, 1),
        ("limit", (0, 10), 0.1, 1),
        ("deep", (2, 5), 1, 0),
    ],
)
def test_bounds_and_steps(name: str, bounds: tuple[float, float | None], step: float, decimals: int) -> None:
    field = FIELDS[name]
    assert (field.minimum, field.maximum) == pytest.approx(bounds)
    assert field.step == pytest.approx(step)
    assert field.decimals == decimals


def _registered() -> Iterator[tuple[str, type[StageParams]]]:
    registry = fake_registry()
    for kind in registry.names():
        yield kind, registry.get(kind).Params


@pytest.mark.parametrize(("kind", "params"), list(_registered()))
def test_every_registered_stage_has_a_form_that_shows_its_defaults(
    qtbot: Any, kind: str, params: type[StageParams]
) -> None:
    form = ParamsForm(params)
    qtbot.addWidget(form)
    edits: list[Any] = []
    form.edited.connect(lambda *edit: edits.append(edit))
    form.show_values({})
    assert set(form.rows) == set(params.model_fields)
    assert edits == []
    for name, value in json_values(params, {}).items():
        stored, problem = checked(params, {}, name, value)
        assert (stored, problem) == (value, "")
        assert not form.rows[name].reset.isVisibleTo(form)


def test_a_slider_tells_of_values_within_its_bounds(qtbot: Any) -> None:
    form = ParamsForm(AllKinds)
    qtbot.addWidget(form)
    form.show_values({})
    edits: list[tuple[str, Any, Any]] = []
    form.edited.connect(lambda *edit: edits.append(edit))
    editor = form.rows["share"].editor
    assert isinstance(editor, NumberEditor)
    assert editor.slider is not None
    editor.slider.setValue(editor.slider.maximum())
    editor.slider.setValue(0)
    assert [edit[:2] for edit in edits] == [("share", 1.0), ("share", 0.0)]
    assert editor.box.value() == 0.0


def test_a_number_typed_is_taken_when_enter_is_pressed(qtbot: Any) -> None:
    form = ParamsForm(AllKinds)
    qtbot.addWidget(form)
    form.show_values({})
    form.show()
    edits: list[Any] = []
    form.edited.connect(lambda name, value, gesture: edits.append((name, value)))
    editor = form.rows["width_px"].editor
    assert isinstance(editor, NumberEditor)
    assert editor.box.text() == "2.0 px"
    editor.box.selectAll()
    QTest.keyClicks(editor.box, "7.5")
    assert edits == []
    QTest.keyClick(editor.box, Qt.Key.Key_Return)
    assert edits == [("width_px", 7.5)]


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [("only", "person, car ,person", ["person", "car"]), ("title", "abc", "abc"), ("pair", "[5, 6]", [5, 6])],
)
def test_text_is_taken(qtbot: Any, name: str, typed: str, value: Any) -> None:
    form = ParamsForm(AllKinds)
    qtbot.addWidget(form)
    form.show_values({})
    edits: list[Any] = []
    form.edited.connect(lambda *edit: edits.append(edit[:2]))
    editor = form.rows[name].editor
    assert isinstance(editor, TextEditor)
    editor.line.selectAll()
    QTest.keyClicks(editor.line, typed)
    QTest.keyClick(editor.line, Qt.Key.Key_Return)
    assert edits == [(name, value)]


@pytest.mark.parametrize(("name", "typed"), [("title", "much too long"), ("pair", "[5, many]"), ("pair", "[5")])
def test_invalid_input_is_shown_and_not_told(qtbot: Any, name: str, typed: str) -> None:
    form = ParamsForm(AllKinds)
    qtbot.addWidget(form)
    form.show_values({})
    edits: list[Any] = []
    form.edited.connect(lambda *edit: edits.append(edit))
    row = form.rows[name]
    assert isinstance(row.editor, TextEditor)
    row.editor.line.selectAll()
    QTest.keyClicks(row.editor.line, typed)
    QTest.keyClick(row.editor.line, Qt.Key.Key_Return)
    assert edits == []
    assert row.problem.isVisibleTo(form)
    assert row.problem.text()
    form.show_values({name: "abc" if name == "title" else [8, 9]})
    assert not row.problem.isVisibleTo(form)


def test_a_rule_between_two_parameters_is_shown_where_it_was_broken(qtbot: Any) -> None:
    form = ParamsForm(TwoBounds)
    qtbot.addWidget(form)
    form.show_values({"low": 10, "high": 20})
    edits: list[Any] = []
    form.edited.connect(lambda *edit: edits.append(edit))
    editor = form.rows["low"].editor
    assert isinstance(editor, NumberEditor)
    editor.box.setValue(50)
    assert edits == []
    assert "low must not be above high" in form.rows["low"].problem.text()


def test_choices_switches_and_optional_values(qtbot: Any) -> None:
    form = ParamsForm(AllKinds)
    qtbot.addWidget(form)
    form.show_values({})
    form.show()
    edits: list[Any] = []
    form.edited.connect(lambda name, value, gesture: edits.append((name, value)))
    combo = form.rows["mode"].editor
    assert isinstance(combo, ChoiceEditor)
    assert combo.combo.itemText(1) == "exact one"
    combo.combo.setFocus()
    QTest.keyClick(combo.combo, Qt.Key.Key_Down)
    switch = form.rows["on"].editor
    assert isinstance(switch, SwitchEditor)
    QTest.mouseClick(switch.box, Qt.MouseButton.LeftButton, pos=QPoint(8, switch.box.height() // 2))
    optional = form.rows["limit"].editor
    assert isinstance(optional, OptionalEditor)
    assert not optional.inner.isEnabled()
    optional.box.click()
    form.show_values({"limit": 5.0})
    assert optional.inner.isEnabled()
    optional.box.click()
    assert edits == [("mode", "exact_one"), ("on", False), ("limit", 5.0), ("limit", None)]


def test_reset_brings_the_default_back(qtbot: Any) -> None:
    form = ParamsForm(AllKinds)
    qtbot.addWidget(form)
    form.show_values({"count": 7, "zone": {"points": [[0, 0], [1, 0], [1, 1]]}})
    edits: list[Any] = []
    form.edited.connect(lambda name, value, gesture: edits.append((name, value)))
    for name in ("count", "zone"):
        assert form.rows[name].reset.isVisibleTo(form)
        form.rows[name].reset.click()
        assert not form.rows[name].reset.isVisibleTo(form)
    assert edits == [("count", 3), ("zone", {"points": []})]


def test_names_are_completed_from_what_is_known(qtbot: Any) -> None:
    form = ParamsForm(AllKinds)
    qtbot.addWidget(form)
    form.show_values({})
    form.suggest_names(["person", "car", "cat"])
    form.show()
    edits: list[Any] = []
    form.edited.connect(lambda name, value, gesture: edits.append(value))
    editor = form.rows["only"].editor
    assert isinstance(editor, NamesEditor)
    editor.line.setFocus()
    QTest.keyClicks(editor.line, "person, ca")
    assert editor._completer.completionCount() == 2
    editor._complete("cat")
    editor._completer.popup().hide()
    QTest.keyClick(editor.line, Qt.Key.Key_Return)
    assert edits == [["person", "cat"]]


def test_shapes_ask_to_be_drawn_and_take_the_answer(qtbot: Any) -> None:
    form = ParamsForm(AllKinds)
    qtbot.addWidget(form)
    form.show_values({"zone": {"points": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]}})
    asked: list[Any] = []
    edits: list[Any] = []
    form.draw_requested.connect(lambda *what: asked.append(what))
    form.edited.connect(lambda name, value, gesture: edits.append((name, value)))
    for name in ("zone", "gate"):
        editor = form.rows[name].editor
        assert isinstance(editor, ShapeEditor)
        editor.draw.click()
    assert asked == [
        ("zone", False, [(0.1, 0.1), (0.9, 0.1), (0.5, 0.9)]),
        ("gate", True, [(0.0, 0.5), (1.0, 0.5)]),
    ]
    form.take_drawing("zone", None)
    form.take_drawing("zone", [(0, 0), (1, 0), (1, 1), (0, 1)])
    form.take_drawing("gate", [(0.25, 0), (0.25, 1)])
    assert edits == [
        ("zone", {"points": [[0, 0], [1, 0], [1, 1], [0, 1]]}),
        ("gate", {"start": [0.25, 0], "end": [0.25, 1]}),
    ]


def test_the_form_of_a_missing_plugin_keeps_what_the_file_says(qtbot: Any) -> None:
    form = UnknownForm("There is no stage called 'x'.", "Install it.")
    qtbot.addWidget(form)
    form.show_values({"power": 9000})
    assert "power: 9000" in form.text.toPlainText()
