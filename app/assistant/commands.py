"""AssistantCommands: the assistant's dialogs and choices in the window, and what its messages lead to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QDialog

from scenescope.app.assistant.controller import Assistant
from scenescope.app.assistant.jobs import Jobs
from scenescope.app.assistant.outgoing import ConsentNeeded, Outgoing
from scenescope.app.assistant.providers import Providers
from scenescope.models import ScenescopeError
from scenescope.models.catalogue.offers import size_text
from scenescope.models.language import Evidence, LanguageModel, Picture, Reach
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.probe import Probe, StepResult
from scenescope.pipelines import STAGES
from scenescope.pipelines.events import Stats
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.sampler import Sampler
from scenescope.pipelines.watches import WatchBook, WatchRule
from scenescope.pipelines.watches.check import problems
from scenescope.widgets.assistant_choices import (
    ANSWER_WITH,
    DESCRIBE_WITH,
    HISTORY,
    MIN_INTERVAL_S,
    RULES,
    SERVERS,
    Cancelled,
    EndpointFields,
    LocalRow,
    servers_of,
)
from scenescope.widgets.assistant_egress import ConsentDialog, EgressDialog
from scenescope.widgets.assistant_history import HistoryDialog
from scenescope.widgets.assistant_panel import AssistantPanel
from scenescope.widgets.assistant_services import Choice, PanelServices
from scenescope.widgets.assistant_settings import AssistantSettingsDialog
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.watches_dialog import WatchesDialog

__all__ = ["AssistantCommands"]


class AssistantCommands(QObject):
    """Carries wishes from the panel and its dialogs to the assistant, and news back.

    Args:
        window: parent of the dialogs.
        panel: the side panel.
        assistant: the conversation.
        providers: makes who is chosen.
        outgoing: knows what left.
        watches: the user's watches.
        sampler: decides when a model looks.
        log: where conversations are kept.
    """

    _consent_wished = Signal(object)
    _folders_read = Signal(object)
    _chosen_failed = Signal(str, str)

    def __init__(
        self,
        window: MainWindow,
        panel: AssistantPanel,
        assistant: Assistant,
        providers: Providers,
        outgoing: Outgoing,
        watches: WatchBook,
        sampler: Sampler,
        log: EventLog,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._panel = panel
        self._assistant = assistant
        self._providers = providers
        self._outgoing = outgoing
        self._watches = watches
        self._sampler = sampler
        self._log = log
        self._jobs = Jobs("assistant-models")
        self._made: tuple[str, str] = (RULES, RULES)
        self._folders: tuple[str, ...] = ()
        self._closed = threading.Event()
        self._consent_wished.connect(self._ask_consent)
        self._folders_read.connect(self._take_folders)
        self._chosen_failed.connect(window.notices.warn)
        panel.set_services(self._services())
        panel.evidence_requested.connect(self._show_evidence)
        panel.download_requested.connect(window.models.show)
        panel.settings_requested.connect(self.settings)
        panel.watches_requested.connect(self.watches)
        panel.history_requested.connect(self.history)
        panel.egress_requested.connect(self.egress)
        window.help.asked.connect(self.ask)
        window.help.begun.connect(self.begin)
        window.bridge.stats_changed.connect(self._take_stats)
        window.models.changed.connect(self._read_folders)
        assistant.keep_history(bool(window.settings.get(HISTORY, True)))
        self._read_folders()
        self.apply_choice()

    def close(self) -> None:
        """End what is under way."""
        self._closed.set()
        self._jobs.close()

    # Asking ------------------------------------------------------------------------------------------------------

    @Slot(str)
    def ask(self, text: str) -> None:
        """Ask the assistant, where the answer is seen."""
        self._window.layout_keeper.show_dock("assistant", True)
        self._panel.ask(text)

    @Slot(str)
    def begin(self, phrase: str) -> None:
        """Let the user fill the gap of a phrase."""
        self._window.layout_keeper.show_dock("assistant", True)
        self._panel.begin(phrase)

    # Who ---------------------------------------------------------------------------------------------------------

    def _services(self) -> PanelServices:
        outgoing, settings = self._outgoing, self._window.settings

        def pause(on: bool) -> None:
            outgoing.paused = on

        return PanelServices(
            choices=self._choices,
            chosen=lambda: settings.get(ANSWER_WITH, RULES),
            choose=self._choose,
            sent=lambda: sum(outgoing.sent.values()),
            sending_paused=lambda: outgoing.paused,
            set_sending_paused=pause,
            session_id=lambda: self._window.inspection.log_sink.latest_session_id,
        )

    def _choices(self) -> Sequence[Choice]:
        servers = [Choice(row.key, row.name or row.url, None) for row in servers_of(self._window.settings)]
        local = [Choice(f"local:{title}", f"{title}, on this computer") for title in self._folders]
        return (Choice(RULES, "Rules, not AI"), *local, *servers)

    def _choose(self, key: str) -> None:
        """The menu of the panel: who answers describes too, as far as it can."""
        for role in (ANSWER_WITH, DESCRIBE_WITH):
            self._window.settings.set(role, key)
        self.apply_choice()

    def apply_choice(self) -> None:
        """Let those describe and answer whom the settings name; made in the background."""
        settings = self._window.settings
        wanted = settings.get(DESCRIBE_WITH, RULES), settings.get(ANSWER_WITH, RULES)
        if wanted != self._made:
            self._made = wanted
            self._jobs.add(partial(self._make, *wanted))

    def _make(self, describe_with: str, answer_with: str) -> None:
        made: list[LanguageModel | None] = []
        for choice in (describe_with, answer_with):
            try:
                # A local model is large: one that does both is loaded once.
                again = choice == describe_with and choice.startswith("local:") and len(made) == 1
                made.append(made[0] if again else self._providers.make(choice))
            except ScenescopeError as error:
                made.append(None)
                self._chosen_failed.emit(error.user_message, error.hint)
        if not self._closed.is_set():
            self._assistant.set_models(made[0], made[1])

    @Slot()
    def _read_folders(self) -> None:
        self._jobs.add(lambda: self._folders_read.emit(tuple(folder.title for folder in self._providers.folders)))

    @Slot(object)
    def _take_folders(self, titles: tuple[str, ...]) -> None:
        before, self._folders = self._folders, titles
        chosen = {title.removeprefix("local:") for title in self._made}
        if before != titles and chosen & set(titles) - set(before):
            # What was missing has been downloaded.
            self._made = ("", "")
            self.apply_choice()

    @Slot(object)
    def _take_stats(self, stats: Stats) -> None:
        info = self._window.engine.source_state.info
        self._sampler.pace(stats.analysed_fps, info.rate_hz if info is not None else 0.0)

    # Dialogs -----------------------------------------------------------------------------------------------------

    @Slot()
    def settings(self) -> None:
        """Choose who describes and who answers."""
        dialog = AssistantSettingsDialog(
            self._window.settings,
            self._providers.keys,
            self._probe,
            _reach_of,
            self._local_rows,
            self._window,
        )
        dialog.changed.connect(self._setting_changed)
        dialog.models_requested.connect(self._window.models.show)
        self._open(dialog)

    @Slot(str)
    def _setting_changed(self, key: str) -> None:
        if key == SERVERS:
            self._made = ("", "")
        if key in (SERVERS, ANSWER_WITH, DESCRIBE_WITH):
            self.apply_choice()
        elif key == HISTORY:
            self._assistant.keep_history(bool(self._window.settings.get(HISTORY, True)))
        elif key == MIN_INTERVAL_S:
            self._sampler.min_interval_s = float(self._window.settings.get(MIN_INTERVAL_S, 3.0))

    def _probe(self, fields: EndpointFields, report: Callable[[str, str], None], cancelled: Cancelled) -> Sequence[str]:
        endpoint = Endpoint(fields.url, fields.model, fields.key)

        def told(result: StepResult) -> None:
            if cancelled.is_set():
                probe.cancel()
            report(result.step.value, "..." if result.ok is None else result.text)

        probe = Probe(endpoint, told)
        found = self._providers.test(endpoint, probe)
        if found.problem:
            raise ScenescopeError(found.problem, hint=found.cure)
        return found.models

    def _local_rows(self) -> Sequence[LocalRow]:
        return [
            LocalRow(one.title, one.title, size_text(one.size_bytes), one.licence) for one in self._providers.folders
        ]

    @Slot()
    def watches(self) -> None:
        """Edit the watches."""
        engine = self._window.engine
        known = self._assistant.known_labels

        def wrong(rule: WatchRule) -> str:
            return " ".join(problems(rule, engine.spec, known(), STAGES))

        zones = self._window.inspection.zones
        dialog = WatchesDialog(
            self._watches,
            wrong,
            self._assistant.last_hit,
            lambda: [zone.name for zone in zones.zones.zones],
            lambda: [line.name for line in zones.zones.lines],
            known,
            self._window,
        )
        self._open(dialog)

    @Slot()
    def history(self) -> None:
        """Search, read, export and forget earlier conversations."""
        dialog = HistoryDialog(self._log.talk, parent=self._window)
        dialog.evidence_requested.connect(self._show_evidence)
        self._open(dialog)

    @Slot()
    def egress(self) -> None:
        """See what was sent."""
        talk, outgoing = self._log.talk, self._outgoing

        def last() -> Picture | None:
            return outgoing.last.picture if outgoing.last is not None else None

        self._open(EgressDialog(talk.egress, talk.clear_egress, last, self._window))

    def _open(self, dialog: QDialog) -> None:
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # Consent -----------------------------------------------------------------------------------------------------

    def ask_consent(self, needed: ConsentNeeded) -> bool:
        """Ask whether pictures may go to a host, and wait for the answer. Not on the window's thread."""
        answer: list[bool] = []
        decided = threading.Event()

        def decide(yes: bool) -> None:
            answer.append(yes)
            decided.set()

        self._consent_wished.emit((needed, decide))
        while not decided.wait(0.1):
            if self._closed.is_set():
                return False
        return answer[0]

    @Slot(object)
    def _ask_consent(self, wish: tuple[ConsentNeeded, Callable[[bool], None]]) -> None:
        needed, decide = wish
        picture = needed.pictures[-1] if needed.pictures else None
        dialog = ConsentDialog(needed.host, needed.reach, picture, self._window)
        dialog.accepted.connect(lambda: decide(True))
        dialog.rejected.connect(lambda: decide(False))
        dialog.open()

    # Evidence ----------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_evidence(self, evidence: Evidence) -> None:
        """Evidence of another session is shown on its timeline; that of the open one the panel seeks itself."""
        sink = self._window.inspection.log_sink
        if evidence.session_id is not None and evidence.session_id != sink.latest_session_id:
            self._window.inspection.timeline.panel.show_session(evidence.session_id)
            self._window.layout_keeper.show_dock("events", True)


def _reach_of(url: str) -> Reach | None:
    try:
        return Endpoint(url).reach
    except ScenescopeError:
        return None
