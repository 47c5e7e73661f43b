"""What is kept in the state folder besides files: one database, for traces, the counts of SLOs, alerts and silences."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.alerting.engine import AlertEngine
from agent.guard import Guard
from agent.silencing import Silencing
from agent.slo.engine import SloEngine
from config.model import File
from exporters.base import SampleSource

if TYPE_CHECKING:
    from agent.alert_state import AlertState
    from agent.outbox.letters import Letters
    from agent.silence_state import SilenceState
    from agent.slo_state import SloState
    from agent.state.database import Database


class Keeping:
    """Nothing at all where the file has no `state_dir`. Its trouble is told and shown, and stops nobody."""

    def __init__(self, slos: SloEngine, alerts: AlertEngine, silencing: Silencing, guard: Guard) -> None:
        self.database: Database | None = None
        self.letters: Letters | None = None  #: what waits for receivers
        self._slos, self._alerts, self._silencing, self._guard = slos, alerts, silencing, guard
        self._counts: SloState | None = None
        self._called: AlertState | None = None
        self._silenced: SilenceState | None = None

    async def open(self, file: File) -> None:
        """Open the database, and go on with what it has of the objectives in force and of who was called."""
        if file.state_dir is None:
            return
        from agent import alert_state, silence_state, slo_state  # noqa: PLC0415 - SQLite only where something is kept
        from agent.outbox import letters  # noqa: PLC0415
        from agent.relay import journal_tables  # noqa: PLC0415
        from agent.state.database import Database  # noqa: PLC0415

        of_alerts = (alert_state.SCHEMA, silence_state.SCHEMA, letters.SCHEMA)
        schemas = (journal_tables.SCHEMA, slo_state.SCHEMA, *of_alerts)
        self.database = Database(Path(file.state_dir), schemas, host=file.durability == "host")
        await self.database.open()
        self._counts = slo_state.SloState(self._slos, self.database)
        await self._counts.restore()
        self._called = alert_state.AlertState(self._alerts, self.database)
        await self._called.restore()
        self._silenced = silence_state.SilenceState(self._silencing.silences, self._silencing.hush, self.database)
        await self._silenced.restore(self._alerts.told())
        self.letters = letters.Letters(self.database)
        await self.letters.load()
        self.letters.reconcile({str(each["key"]) for each in self._alerts.view()}, time.time())
        self._guard.start("slo state", self._counts.run)
        self._guard.start("alert state", self._called.run)
        self._guard.start("silence state", self._silenced.run)

    def soon(self) -> None:
        """Somebody is called, or told that it is over: keep that now."""
        if self._called:
            self._called.soon()

    def held(self) -> None:
        """An alert is held back, or not any more: keep that now."""
        if self._silenced:
            self._silenced.soon()

    async def silenced(self) -> None:
        """A person made or ended a silence: return once that is kept."""
        if self._silenced:
            await self._silenced.settled()

    def sources(self) -> Iterable[SampleSource]:
        """Who knows samples."""
        if self.database:
            yield self.database

    async def aclose(self) -> None:
        """Write once more, and close. The tasks have ended."""
        for kept in (self._counts, self._called, self._silenced, self.letters):
            if kept:
                await kept.aclose()
        if self.database:
            await self.database.aclose()
