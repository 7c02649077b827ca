"""The command palette, the choice of presets, and the dialogs that explain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QAction, QColor, QIcon, QKeySequence
from PySide6.QtWidgets import QDialog, QWidget

from scenescope.models.language import phrase_parts
from scenescope.pipelines import Stage
from scenescope.pipelines.registry import Registry
from scenescope.widgets.actions import ActionSet
from scenescope.widgets.help import AboutDialog, ShortcutsDialog
from scenescope.widgets.icons import icon
from scenescope.widgets.palette import Palette, PaletteItem
from scenescope.widgets.pipeline_files import PipelineFiles
from scenescope.widgets.source_commands import SourceCommands
from scenescope.widgets.stage_panel import StagePanel, stage_items
from scenescope.widgets.theme import colours_of

__all__ = ["HelpCommands"]


class HelpCommands(QObject):
    """Everything here is made from what the window already knows: actions, stages, presets, sources.

    Attributes:
        recent: sources that were shown, as texts.
        phrases: what can be said to the assistant, as in :class:`~scenescope.models.language.Tool`; empty while
            nobody listens.

    Signals:
        asked: what the assistant is to be asked.
        begun: a phrase with a gap, which the user is to fill.
    """

    asked = Signal(str)
    begun = Signal(str)

    def __init__(
        self,
        actions: ActionSet,
        more_actions: Iterable[QAction],
        files: PipelineFiles,
        stages: StagePanel,
        sources: SourceCommands,
        registry: Registry[Stage],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._actions = actions
        self._more_actions = list(more_actions)
        self._files = files
        self._stages = stages
        self._sources = sources
        self._registry = registry
        self._window = window
        self.recent: list[str] = []
        self.phrases: Sequence[str] = ()

    @Slot()
    def show_palette(self) -> None:
        """Find and run any command, add any stage, load any preset, show any recent source, say anything."""
        items = [
            *self._action_items(),
            *self._preset_items("Preset: "),
            *(
                PaletteItem(f"Add {item.title}", item.run, "Add stage", item.detail, "", item.icon, item.problem)
                for item in stage_items(self._registry, self._stages.add, colours_of(self._window))
                if not item.problem
            ),
            *(
                PaletteItem(f"Open {text}", partial(self._sources.open_listed, text), "Recent sources")
                for text in self.recent
            ),
            *(self._phrase_item(phrase) for phrase in self.phrases),
        ]
        if self.phrases:
            Palette(items, "Type a command or a question", self._window, self._question_item).popup()
        else:
            Palette(items, "Type a command", self._window).popup()

    @Slot()
    def choose_preset(self) -> None:
        """Choose a ready-made pipeline by typing."""
        Palette(self._preset_items(""), "Choose a preset", self._window).popup()

    @Slot()
    def show_shortcuts(self) -> None:
        """List all shortcuts."""
        rows = [(action.spec.category, action) for action in self._actions]
        self._run(ShortcutsDialog([*rows, *(("Assistant", action) for action in self._more_actions)], self._window))

    @Slot()
    def show_about(self) -> None:
        """Say what this program is."""
        self._run(AboutDialog(self._window))

    def _action_items(self) -> list[PaletteItem]:
        items = []
        own = [(action.spec.category, action) for action in self._actions]
        for category, action in [*own, *(("Assistant", action) for action in self._more_actions)]:
            if action.isEnabled() and action.objectName() != "help.palette":
                keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
                title = action.text().replace("&", "").rstrip(".")
                state = "on" if action.isCheckable() and action.isChecked() else ""
                items.append(PaletteItem(title, action.trigger, category, state, keys, action.icon()))
        return items

    def _preset_items(self, prefix: str) -> list[PaletteItem]:
        sign = self._sign("presets")
        return [
            PaletteItem(
                f"{prefix}{preset.title}",
                partial(self._files.load_preset, preset),
                "Presets",
                preset.description,
                icon=sign,
                keywords=preset.name,
            )
            for preset in self._files.presets()
        ]

    def _phrase_item(self, phrase: str) -> PaletteItem:
        before, example, after = phrase_parts(phrase)
        whole = f"{before}{example}{after}"
        return PaletteItem(
            f"{before[:1].upper()}{before[1:]}{'…' if example else ''}{after}",
            partial(self.begun.emit, phrase) if example else partial(self.asked.emit, whole),
            "Say to the assistant",
            f"for example {example}" if example else "",
            icon=self._sign("chat"),
            keywords=whole,
            yields=True,
        )

    def _question_item(self, text: str) -> PaletteItem:
        ask = partial(self.asked.emit, text)
        return PaletteItem(f"Ask the assistant: {text}", ask, icon=self._sign("chat"))

    def _sign(self, name: str) -> QIcon:
        return icon(name, QColor(colours_of(self._window).muted))

    @staticmethod
    def _run(dialog: QDialog) -> None:
        dialog.exec()
        dialog.deleteLater()
