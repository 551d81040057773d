"""What became of a case follows from what was found of its tables."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from cdc.comparison.report import Difference, TableReport
from local_stack.cases.case_file import Case, Outcome, parse_case
from local_stack.cases.outcome import CaseResult, DeliveryResult, TableFacts, decide, judge
from local_stack.cases.report import delivery_lines, print_results

EQUAL = TableReport("public.a", "a", {"source": 2, "clickhouse": 2}, {"clickhouse": {}})
UNEQUAL = TableReport(
    "public.b",
    "b",
    {"source": 2, "clickhouse": 1},
    {"clickhouse": {"missing": 1}},
    (Difference("missing", "clickhouse", (7,)),),
    {"clickhouse": 1},
)
GOOD = TableFacts("public.a", report=EQUAL)
BAD = TableFacts("public.b", report=UNEQUAL)
CASE = parse_case("-- tables: public.a\n-- expect: equal\n-- setup\nSELECT 1;\n", "a.sql")


def test_all_tables_must_be_equal() -> None:
    assert judge([GOOD]) == (Outcome.EQUAL, "")
    assert judge([GOOD, BAD]) == (
        Outcome.DIFFERENT,
        "public.b: 1 differences: clickhouse: row (7) is missing",
    )


def test_parked_comes_before_dead_letters_and_both_before_their_own_rows() -> None:
    letters = {"warehouse": (3, "no number")}
    both = TableFacts("public.b", {"clickhouse": "no event fits"}, letters, UNEQUAL)
    assert judge([GOOD, both]) == (Outcome.PARKED, "public.b in clickhouse: no event fits")
    lettered = TableFacts("public.b", {}, letters, EQUAL)
    assert judge([lettered]) == (Outcome.DEAD_LETTERED, "public.b: 3 in warehouse: no number")


def test_what_was_set_aside_excuses_no_other_row() -> None:
    parked = TableFacts("public.c", {"clickhouse": "no event fits"}, {}, UNEQUAL)
    assert judge([parked]) == (Outcome.PARKED, "public.c in clickhouse: no event fits")
    assert judge([parked, BAD])[0] is Outcome.DIFFERENT
    elsewhere = TableFacts("public.c", {"warehouse": "no event fits"}, {}, UNEQUAL)
    assert judge([elsewhere])[0] is Outcome.DIFFERENT
    lettered = TableFacts("public.b", {}, {"clickhouse": (1, "no number")}, UNEQUAL)
    assert judge([lettered])[0] is Outcome.DEAD_LETTERED
    assert judge([lettered, BAD])[0] is Outcome.DIFFERENT
    more = TableFacts(
        "public.b", {}, {"clickhouse": (1, "no number")}, replace(UNEQUAL, differing={"clickhouse": 2})
    )
    outcome, reason = judge([more])
    assert outcome is Outcome.DIFFERENT
    assert "beside 1 in clickhouse" in reason


def test_differences_count_where_rows_are_not_counted() -> None:
    uncounted = TableFacts("public.b", report=replace(UNEQUAL, differing={}))
    assert judge([uncounted])[0] is Outcome.DIFFERENT
    assert uncounted.as_dict()["differing"] == {"clickhouse": 1}


def test_rows_that_cannot_be_compared_are_a_failure() -> None:
    unknown = TableFacts("public.b", problem="column x does not exist")
    assert judge([unknown]) == (Outcome.FAILED, "public.b: column x does not exist")


def test_dead_letters_and_a_parked_sink_excuse_no_comparison_of_the_others() -> None:
    problem, sinks = "cannot be compared: no order", ("clickhouse", "warehouse")
    lettered = TableFacts("public.b", {}, {"clickhouse": (1, "no number")}, None, problem, sinks=sinks)
    assert judge([lettered]) == (Outcome.FAILED, "public.b: cannot be compared: no order")
    half = TableFacts("public.b", {"clickhouse": "no event fits"}, {}, None, problem, sinks=sinks)
    assert judge([half])[0] is Outcome.FAILED
    whole = replace(half, parked=dict.fromkeys(sinks, "no event fits"))
    assert judge([whole])[0] is Outcome.PARKED


def test_a_delivery_that_hangs_explains_what_differs() -> None:
    outcome, reason = judge([BAD], "the stream stays 4 events behind")
    assert outcome is Outcome.DIFFERENT
    assert reason.endswith("(the stream stays 4 events behind)")


def test_the_first_check_that_is_not_equal_decides() -> None:
    result = decide("half", {"compared": ((GOOD,), ""), "after CLEANUP": ((BAD,), ""), "last": ((GOOD,), "")})
    assert result.outcome is Outcome.DIFFERENT
    assert result.reason.startswith("after CLEANUP: public.b")
    assert list(result.checks.values()) == [Outcome.EQUAL, Outcome.DIFFERENT, Outcome.EQUAL]


def test_a_case_passes_when_every_delivery_is_as_expected() -> None:
    good, bad = DeliveryResult("after", Outcome.EQUAL), DeliveryResult("half", Outcome.PARKED)
    assert CaseResult(CASE, (good,)).passed
    assert not CaseResult(CASE, (good, bad)).passed
    assert not CaseResult(CASE, ()).passed


def test_a_case_without_a_step_says_that_no_change_was_captured() -> None:
    def told(case: Case) -> tuple[str, int]:
        result = CaseResult(case, (DeliveryResult("after", case.expect),))
        console = Console(file=io.StringIO(), record=True, width=200)
        print_results([result], console)
        return console.export_text().splitlines()[0], result.as_dict()["steps"]

    said, steps = told(CASE)
    assert said.startswith("a.sql: expected equal: as expected (it has no step: ")
    assert steps == 0
    text = "-- tables: public.a\n-- expect: {}\n-- setup\nSELECT 1;\n{}"
    assert told(parse_case(text.format("equal", "-- step\nSELECT 1;\n"), "a.sql")) == (
        "a.sql: expected equal: as expected",
        1,
    )
    # Nothing is captured of a table that is refused, with or without steps.
    assert told(parse_case(text.format("refused", ""), "a.sql"))[0] == "a.sql: expected refused: as expected"


def test_the_json_has_rows_and_differences_of_each_table() -> None:
    result = CaseResult(CASE, (decide("after", {"compared": ((BAD,), "")}),)).as_dict()
    [delivery] = result["deliveries"]
    assert (result["passed"], delivery["outcome"]) == (False, "different")
    [table] = delivery["tables"]
    assert table["rows"] == {"source": 2, "clickhouse": 1}
    assert table["differing"] == {"clickhouse": 1}
    assert table["examples"] == ["clickhouse: row (7) is missing"]
    assert table["mended"] == {}


def test_what_was_mended_is_told() -> None:
    mended = replace(GOOD, mended={"clickhouse": 3, "warehouse": 2})
    assert mended.as_dict()["mended"] == {"clickhouse": 3, "warehouse": 2}
    told = delivery_lines(DeliveryResult("after", Outcome.EQUAL, tables=(mended, GOOD)))
    assert [line.partition("; 0 differ")[2] for line in told[1:]] == [
        "; 3 in clickhouse, 2 in warehouse were mended by the reconciliation",
        "",
    ]
