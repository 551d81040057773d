"""One delivery while it happens: its cases, their scripts, the platform around them, and what was found."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

import psycopg

from cdc.errors import CdcError, ConfigurationError, SpecError
from cdc.spec.names import split_qualified
from local_stack.cases.case_file import Case, Outcome, Section
from local_stack.cases.checks import Checks
from local_stack.cases.commands import Commands, finish
from local_stack.cases.outcome import DeliveryResult, TableFacts, decide, judge
from local_stack.cases.place import Place
from local_stack.cases.scripts import CaseScripts
from local_stack.cases.source import CaseSource

# Cases know nothing of each other: their transactions may mix as those of a shop do.
AT_ONCE = 4

Found = dict[str, tuple[tuple[TableFacts, ...], str]]


class Stage:
    """The cases of a delivery go on together; one that fails or is refused leaves the others alone.

    Attributes:
        broken: files of the cases with a script that PostgreSQL refused.
        spoiled: files of the cases that ended because another one has stopped the connector.
    """

    def __init__(
        self, delivery: str, place: Place, cases: Sequence[Case], say: Callable[[str], None]
    ) -> None:
        """Nothing is started before it is needed."""
        self._say, self._begun = say, time.monotonic()
        self.delivery, self.place, self.cases = delivery, place, tuple(cases)
        self.source, self.commands, self.checks = CaseSource(place), Commands(place), Checks(place)
        self._scripts: dict[str, CaseScripts] = {}
        self._ended: dict[str, DeliveryResult] = {}
        self.broken: set[str] = set()
        self.spoiled: set[str] = set()
        self._found: dict[str, Found] = {case.file: {} for case in cases}
        self._problem = ""
        self._mended: dict[str, dict[str, int]] = {}
        self._signals = 0
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        """Open the checks' connections when they are needed."""
        self._exit.enter_context(self.checks)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End scripts and connections; the place itself is removed by who made it."""
        for scripts in self._scripts.values():
            scripts.__exit__(None, None, None)
        self._exit.close()

    @property
    def active(self) -> tuple[Case, ...]:
        """The cases that still take part."""
        return tuple(case for case in self.cases if case.file not in self._ended)

    @property
    def tables(self) -> list[str]:
        """The tables of the active cases."""
        return [table for case in self.active for table in case.tables]

    def end(self, case: Case, outcome: Outcome, reason: str) -> None:
        """A case is decided before the delivery is over."""
        self._ended.setdefault(case.file, DeliveryResult(self.delivery, outcome, reason))
        if outcome != case.expect:
            self.tell(f"{case.file} is {outcome}: {reason}")
        if (scripts := self._scripts.pop(case.file, None)) is not None:
            scripts.__exit__(None, None, None)

    def end_all(self, reason: str) -> None:
        """The delivery itself failed."""
        for case in self.active:
            self.end(case, Outcome.FAILED, reason)

    def tell(self, what: str) -> None:
        """Say what begins now."""
        self._say(f"  {self.delivery} {time.monotonic() - self._begun:4.0f} s: {what}")

    def set_up(self) -> None:
        """Make the database, the pipeline file and the cases' tables."""
        self.tell("make the database, run the setups")
        self.place.write()
        self.source.create()
        # One after the other: making the same type or extension at once would clash more often than it must.
        self.run(lambda case: (case.setup,), at_once=1)
        for case in filter(self.in_transaction, self.active):
            said = (
                "leaves a transaction open, in which nothing can be captured: expected its COMMIT, or its "
                "BEGIN in a step"
            )
            error = SpecError(case.file, case.setup.line, case.setup.title, said)
            self.end(case, Outcome.FAILED, str(error))

    def in_transaction(self, case: Case) -> bool:
        """Whether what has run of a case's scripts holds a transaction open."""
        return case.file in self._scripts and self._scripts[case.file].in_transaction

    def run(
        self,
        sections: Callable[[Case], Sequence[Section]],
        only: Callable[[Case], bool] = lambda _: True,
        *,
        last: bool = False,
        at_once: int = AT_ONCE,
    ) -> None:
        """Run sections of each active case, some cases at a time; the `last` ones end the case's sessions."""

        def play(case: Case) -> None:
            scripts = self._scripts.setdefault(case.file, CaseScripts(case, self.source.dsn))
            try:
                scripts.run(*sections(case))
                if last:
                    scripts.finish()
            except SpecError as error:
                self.broken.add(case.file)
                self.end(case, Outcome.FAILED, str(error))
            except psycopg.OperationalError as error:
                self.end(case, Outcome.FAILED, f"{case.file}: the source went away: {error}")

        with ThreadPoolExecutor(at_once) as threads:
            for done in [threads.submit(play, case) for case in filter(only, self.active)]:
                done.result()

    def discover(self) -> None:
        """`cdc discover --write`, again without the cases that have a table which is refused."""
        while self.active:
            refused: dict[str, str] = {}
            known: set[str] = set()
            for mode in sorted({case.mode for case in self.active}):
                tables = [t for case in self.active if case.mode == mode for t in case.tables]
                found = self.commands.discover(tables, mode=mode)
                refused |= {entry["table"]: entry["reason"] for entry in found["refused"]}
                known |= {entry["source"] for entry in found["found"]}
            before = len(self.active)
            for case in self.active:
                for table in case.tables:
                    if table in refused:
                        self.end(case, Outcome.REFUSED, f"{table} {refused[table]}")
                    elif table not in known:
                        self.end(case, Outcome.FAILED, f"{table} does not exist after the setup")
            if len(self.active) == before:
                return
            self.place.write()

    def capture(self, meanwhile: Callable[[subprocess.Popen[str]], None] = lambda _: None) -> bool:
        """Discover and `cdc apply`, again without the cases whose tables apply refuses by name.

        Args:
            meanwhile: what happens while apply runs.

        Returns:
            Whether there is a case left.

        Raises:
            ConfigurationError: apply fails for another reason.
        """
        while True:
            self.tell("cdc discover --write, cdc apply")
            self.discover()
            if not self.active:
                return False
            for case in self.active:
                for table in case.tables if case.partitions else ():
                    self.checks.make_topic(table, case.partitions or 0)
            with self.commands.background("apply") as applying:
                meanwhile(applying)
                try:
                    finish(applying, ("cdc apply",))
                    return True
                except ConfigurationError as error:
                    named = [c for c in self.active if names_a_table(str(error), c.tables)]
                    if not named:
                        raise
                    for case in named:
                        self.end(case, Outcome.REFUSED, str(error))
            self.place.write()

    def streaming(self) -> None:
        """Wait until every existing row is in Kafka."""
        self._wait(self.source.wait_streaming)

    def captured(self) -> None:
        """Wait until all that is committed is in Kafka."""
        self._wait(self.source.wait_captured)

    def carried(self) -> None:
        """Wait until all that is committed is in Kafka, and the running stream has carried it."""
        if not self.active:
            return
        try:
            self.captured()
            self._problem = self.checks.wait_carried()
        except CdcError as error:
            if self.spoiled:
                raise
            self._problem = str(error)

    def _wait(self, until: Callable[[], None]) -> None:
        try:
            until()
        except CdcError as error:
            culprits = [case for case in self.active if names_a_table(str(error), case.tables)]
            for case in culprits:
                self.end(case, Outcome.FAILED, str(error))
            if culprits:
                self.spoiled = {case.file for case in self.active}
            raise

    def carry(self) -> None:
        """Carry everything from Kafka into the sinks, by a stream that then ends."""
        self.tell("carry everything from Kafka into the sinks")
        self._signals = self.checks.signals()
        self.commands.carry_everything()

    def carry_what_was_asked(self) -> None:
        """Carry rows too that were asked for again: by the stream, or since a change shows in no event."""
        self.commands.compare_schema()
        signals = self._signals
        if self.checks.signals() == signals:
            return
        self.tell("carry the rows that were asked for again")
        # Debezium opens and closes a window by signals for each chunk; after the last there is no other.
        while (now := self.checks.signals()) != signals:
            signals = now
            self.captured()
        self.commands.carry_everything()

    def read_again(self) -> None:
        """Forget how far the stream has come, and carry the topics from their beginning."""
        self.commands.cdc("stream", "stop")
        self.checks.want_stream()
        shutil.rmtree(self.place.checkpoints)
        self.commands.carry_everything()

    def check(self, name: str) -> None:
        """Compare every table of the active cases, and keep what was found under this name."""
        self.tell(f"compare {len(self.tables)} tables: {name}")
        if not any(self._found.values()):
            # Every step has run, and not every change of a table shows in an event.
            self.commands.compare_schema()
            self._reconcile()
        facts = self.checks.look(self.tables)
        for case in self.active:
            looked = [facts[table] for table in case.tables]
            found = tuple(replace(item, mended=self._mended.get(item.table, {})) for item in looked)
            self._found[case.file][name] = (found, self._problem)
            outcome, reason = judge(found, self._problem)
            if outcome != case.expect:
                self.tell(f"{case.file} is {outcome}: {reason}")

    def check_merged(self) -> None:
        """Compare again after `OPTIMIZE … FINAL`, and after a CLEANUP behind the moved start of the log."""
        self.checks.optimize(self.tables)
        self.check("after OPTIMIZE FINAL")
        whole = [t for c in self.active for t in c.tables if self._nothing_waits(c)]
        self.checks.clean_up(whole)
        self.check("after CLEANUP")

    def results(self) -> dict[str, DeliveryResult]:
        """The result of each case, by file."""
        return {
            case.file: self._ended.get(case.file) or decide(self.delivery, self._found[case.file])
            for case in self.cases
        }

    def _reconcile(self) -> None:
        """Have tables mended whose partitions changed without events, or whose case asks for it."""
        if self._problem:
            return
        wanted = [table for case in self.active if case.reconcile for table in case.tables]
        try:
            reports = self.commands.reconcile("--changed-partitions")
            if wanted:
                reports += self.commands.reconcile(*wanted)
        except CdcError as error:
            self._problem = str(error)
            self.tell(self._problem)
            return
        for report in reports:
            self._mended[report["table"]] = {s: count for s, count in report["repaired"].items() if count}
            left = report["refused"] or ", ".join(f"{n} left in {s}" for s, n in report["left"].items())
            if left:
                self.tell(f"{report['table']}: {left}")

    def _nothing_waits(self, case: Case) -> bool:
        # What is parked or a dead letter may be written later, so its tombstones are still needed.
        newest = list(self._found[case.file].values())[-1][0]
        return not any(facts.parked or facts.letters for facts in newest)


def names_a_table(text: str, tables: Sequence[str]) -> bool:
    """Whether a message is about one of these tables: apply quotes unusual names, Debezium does not."""
    names = {name for table in tables for name in (table, ".".join(split_qualified(table)))}
    return any(re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text) for name in names)
