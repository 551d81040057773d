"""Which files are read, and which cases share a database."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from cdc.errors import SpecError
from cdc.spec import load_pipeline
from local_stack.cases.case_file import Case, Outcome, Section, parse_case
from local_stack.cases.deliveries import DELIVERIES
from local_stack.cases.outcome import DeliveryResult
from local_stack.cases.place import ANCHOR, STREAM, pipeline_document
from local_stack.cases.runner import CaseRun, grouped, read_cases
from local_stack.cases.stage import Stage, names_a_table
from local_stack.context import REPO

TEXT = "-- tables: {}\n-- expect: equal\n-- setup\nSELECT 1;\n"


def case(*tables: str) -> Case:
    return parse_case(TEXT.format(",".join(tables)), f"{tables}.sql")


def test_cases_with_a_table_of_the_same_name_do_not_share_a_database() -> None:
    one, same, other = case("public.a", "public.b"), case("public.b"), case("public.c")
    assert grouped([one, same, other]) == [[one, other], [same]]


def test_folders_and_files_are_read_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.sql").write_text(TEXT.format(f"public.{name}"), encoding="utf-8")
    found = read_cases([tmp_path / "b.sql", tmp_path])
    assert [Path(case.file).stem for case in found] == ["b", "a"]


def test_a_missing_file_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no\.sql:0: -: cannot be read"):
        read_cases([tmp_path / "no.sql"])
    with pytest.raises(SpecError, match=r"holds no \*\.sql file"):
        read_cases([tmp_path])


def test_a_byte_order_mark_is_no_part_of_a_case(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(TEXT.format("public.a"), encoding="utf-8-sig")
    [found] = read_cases([tmp_path])
    assert found.tables == ("public.a",)


def test_every_case_of_the_suite_can_be_read_and_shares_one_database() -> None:
    assert len(grouped(read_cases([REPO / "tests" / "e2e" / "cases"]))) == 1


def test_a_delivery_has_a_valid_pipeline_of_its_own(tmp_path: Path) -> None:
    from ruamel.yaml import YAML

    with (tmp_path / "case_1_half.yaml").open("w") as handle:
        YAML(typ="rt").dump(pipeline_document("case_1_half"), handle)
    pipeline = load_pipeline(tmp_path / "case_1_half.yaml")
    assert [table.source for table in pipeline.tables] == [ANCHOR]
    assert pipeline.stream(STREAM).query_name("warehouse") == "case_1_half.cases.warehouse"
    assert {sink.raw_table("t")[0] for sink in pipeline.sinks} == {"case_1_half_raw"}
    assert {pipeline.source.slot, pipeline.source.connector, pipeline.source.topic_prefix} == {"case_1_half"}


def test_a_message_of_debezium_is_about_the_table_that_it_names() -> None:
    said = "Failed to properly convert data value for 'public.t1.v' of type bit"
    assert names_a_table(said, ["public.t1"])
    assert names_a_table("… for 'public.a b.c' …", ['public."a b"'])
    assert not names_a_table(said, ["public.t", "public.t10", "other.t1"])


def test_a_refusal_of_apply_is_about_the_table_that_it_names_and_no_longer_one() -> None:
    said = '`cdc apply` ended with 1: public.t10: no primary key; public."a b": no primary key'
    assert names_a_table(said, ["public.t10"])
    assert names_a_table(said, ['public."a b"'])
    assert not names_a_table(said, ["public.t1"])
    assert not names_a_table(said, ["lic.t10"])
    assert not names_a_table("republic.t1, public.t1$ and public.t1_old", ["public.t1"])


class RefusingStage(Stage):
    """Has no stack: `cdc apply` refuses one table by name, as long as its case takes part."""

    def __init__(self, cases: Sequence[Case], refused: str) -> None:
        self.commands = self  # type: ignore[assignment]
        self.place = SimpleNamespace(write=lambda: None)  # type: ignore[assignment]
        self.cases, self.delivery, self._ended, self._scripts = tuple(cases), "after", {}, {}
        self._say, self._begun, self._refused = lambda _: None, 0.0, refused

    def discover(self) -> None:
        pass

    @contextlib.contextmanager
    def background(self, _: str) -> Iterator[subprocess.Popen[str]]:
        word = f"echo '{self._refused} has no key' >&2; exit 1" if self._refused in self.tables else ":"
        with subprocess.Popen(["sh", "-c", word], stdout=-1, stderr=-1, text=True) as running:
            yield running


def test_a_case_goes_on_beside_one_whose_table_is_refused_and_begins_with_the_same_name() -> None:
    stage = RefusingStage([case("public.t1"), case("public.t10")], "public.t10")
    assert stage.capture()
    assert [one.tables for one in stage.active] == [("public.t1",)]


class RacingStage(Stage):
    """Has no stack: `cdc apply` waits until a transaction that is open ends, as PostgreSQL makes it wait."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases, self.delivery, self._ended, self._say, self._begun = tuple(cases), "half", {}, print, 0.0
        self.source = SimpleNamespace(slot_exists=lambda: True)  # type: ignore[assignment]
        self.ran: list[str] = []
        self._open: set[str] = set()

    def run(
        self,
        sections: Callable[[Case], Sequence[Section]],
        only: Callable[[Case], bool] = lambda _: True,
        *,
        last: bool = False,
        at_once: int = 4,
    ) -> None:
        for one in filter(only, self.active):
            for section in sections(one):
                self.ran.append(f"{one.tables[0]} {section.title}")
                (self._open.add if "BEGIN" in section.text else self._open.discard)(one.file)

    def in_transaction(self, case: Case) -> bool:
        return case.file in self._open

    def capture(self, meanwhile: Callable[[subprocess.Popen[str]], None] = lambda _: None) -> bool:
        self.ran.append("apply begins")
        meanwhile(SimpleNamespace(poll=lambda: None))  # type: ignore[arg-type]
        self.ran.append("apply waits" if self._open else "apply ends")
        return False


def test_a_transaction_that_is_open_in_the_middle_races_with_the_snapshot() -> None:
    text = TEXT + "-- step{session}\n{begin};\n-- step{session}\nCOMMIT;\n"
    cases = [
        parse_case(text.format("public.open", session="", begin="BEGIN"), "open.sql"),
        parse_case(text.format("public.session", session=" [session=A]", begin="BEGIN"), "session.sql"),
        parse_case(text.format("public.plain", session="", begin="SELECT 2"), "plain.sql"),
    ]
    stage = RacingStage(cases)
    DELIVERIES["half"](stage)
    assert stage.ran == [
        "public.open step 1",
        "public.session step 1",
        "public.plain step 1",
        "apply begins",
        "public.open step 2",
        "public.session step 2",
        "apply ends",
    ]


class PlayedRun(CaseRun):
    """Has no stack: in company `broken` has a script that fails, and `culprit` stops the connector."""

    def __init__(self, broken: str, culprit: str) -> None:
        super().__init__(None, lambda _: None, False, ())  # type: ignore[arg-type]
        self._broken, self._culprit = broken, culprit
        self.played: list[tuple[str, list[str]]] = []

    def _deliver(
        self, delivery: str, cases: Sequence[Case], play: Callable[..., None]
    ) -> tuple[dict[str, DeliveryResult], list[list[Case]]]:
        self.played.append((delivery, [case.file for case in cases]))
        results = {case.file: DeliveryResult(delivery, Outcome.EQUAL) for case in cases}
        again = [[case] for case in cases if len(cases) > 1 and case.file == self._broken]
        if self._culprit in results and delivery == "half":
            results[self._culprit] = DeliveryResult(delivery, Outcome.FAILED, "the connector has stopped")
            spoiled = [case for case in cases if case.file not in (self._broken, self._culprit)]
            again += [spoiled] if spoiled else []
        for group in again:
            for one in group:
                del results[one.file]
        return results, again


def test_cases_that_failed_because_of_others_are_delivered_again_without_them() -> None:
    a, b, c, d = (case(f"public.{name}") for name in "abcd")
    run = PlayedRun(broken=b.file, culprit=c.file)
    found = {result.case.file: result for result in run.run([a, b, c, d])}
    assert run.played[:2] == [("after", [a.file, b.file, c.file, d.file]), ("half", [a.file, c.file, d.file])]
    assert [played for played in run.played if b.file in played[1]][1:] == [(n, [b.file]) for n in DELIVERIES]
    assert [played for played in run.played if a.file in played[1]][-1] == ("replayed", [a.file, d.file])
    assert {file: result.passed for file, result in found.items()} == {
        a.file: True, b.file: True, c.file: False, d.file: True,
    }  # fmt: skip
    assert all([d.delivery for d in result.deliveries] == list(DELIVERIES) for result in found.values())
