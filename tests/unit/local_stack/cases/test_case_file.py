"""A case file is read as it was written, and what is wrong in it is named with file and line."""

from __future__ import annotations

import pytest

from cdc.errors import SpecError
from local_stack.cases.case_file import Outcome, parse_case

WHOLE = """\
-- What this is about.
-- tables: public.t1, sales."My, Table"
-- partitions: 2
-- expect: dead-lettered
-- setup
CREATE TABLE t1 (id int PRIMARY KEY);

-- a comment: step by step
INSERT INTO t1 VALUES (1);
-- step
UPDATE t1 SET id = 2;
-- step [session=A]
BEGIN;
-- step session=b_2
SELECT '%s';
"""


def changed(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new)


def test_header_and_sections_are_read() -> None:
    case = parse_case(WHOLE, "a.sql")
    assert case.tables == ("public.t1", 'sales."My, Table"')
    assert (case.partitions, case.expect) == (2, Outcome.DEAD_LETTERED)
    assert [(s.title, s.line, s.session) for s in (case.setup, *case.steps)] == [
        ("setup", 6, None),
        ("step 1", 11, None),
        ("step 2", 13, "A"),
        ("step 3", 15, "b_2"),
    ]


def test_a_script_is_kept_to_the_letter() -> None:
    case = parse_case(WHOLE, "a.sql")
    assert case.setup.text == "".join(WHOLE.splitlines(keepends=True)[5:9])
    assert case.steps[2].text == "SELECT '%s';\n"


@pytest.mark.parametrize(
    ("line", "session"),
    [
        ("-- step 1", None),
        ("-- step 12:", None),
        ("-- Step 1: change a row", None),
        ("--step: delete it", None),
        ("-- step - change a row", None),
        ("-- step 2 — change a row", None),
        ("-- step 2 [session=A]", "A"),
        ("-- step [session=A]: its session's row", "A"),
        ("-- step 2 [session=A] - change a row", "A"),
    ],
)
def test_a_step_may_have_a_number_and_a_title(line: str, session: str | None) -> None:
    case = parse_case(changed("-- step\n", f"{line}\n"), "a.sql")
    first = case.steps[0]
    assert (first.title, first.line, first.session) == ("step 1", 11, session)
    assert first.text == "UPDATE t1 SET id = 2;\n"


def test_the_setup_may_have_a_title() -> None:
    for line in ("-- setup: two tables", "-- Setup - two tables", "-- setup:"):
        case = parse_case(changed("-- setup\n", f"{line}\n"), "a.sql")
        assert (case.setup.line, len(case.steps)) == (6, 3)


@pytest.mark.parametrize(
    "line", ["-- step by step we change rows", "-- step-by-step: slowly", "-- setup of rows", "-- steps - 3"]
)
def test_prose_that_begins_like_a_section_is_a_comment(line: str) -> None:
    case = parse_case(changed("-- a comment: step by step", line), "a.sql")
    assert line in case.setup.text
    assert len(case.steps) == 3


def test_the_mode_is_that_of_discovery() -> None:
    assert parse_case(WHOLE, "a.sql").mode == "rows"
    assert parse_case(changed("-- expect", "-- mode: changelog\n-- expect"), "a.sql").mode == "changelog"


def test_a_case_may_ask_for_the_reconciliation() -> None:
    assert not parse_case(WHOLE, "a.sql").reconcile
    for word in ("yes", "no"):
        case = parse_case(changed("-- expect", f"-- reconcile: {word}\n-- expect"), "a.sql")
        assert case.reconcile == (word == "yes")


def test_partitions_are_optional() -> None:
    assert parse_case(changed("-- partitions: 2\n", ""), "a.sql").partitions is None


@pytest.mark.parametrize(
    "line",
    [
        "-- step 1 moves the row",
        "-- step #1",
        "-- Step 1: insert a row",
        "-- step - still the same transaction",
    ],
)
def test_a_numbered_or_titled_line_is_prose_beside_plain_steps(line: str) -> None:
    case = parse_case(changed("-- a comment: step by step", line), "a.sql")
    assert line in case.setup.text
    assert len(case.steps) == 3


@pytest.mark.parametrize("line", ["-- step 1 moves the row", "-- step #1"])
def test_a_numbered_line_is_refused_in_a_file_without_steps(line: str) -> None:
    with pytest.raises(SpecError, match=f"a.sql:10: {line}: expected"):
        parse_case(WHOLE[: WHOLE.index("-- step\n")] + f"{line}\nUPDATE t1 SET id = 2;\n", "a.sql")


def test_a_plain_setup_makes_others_prose() -> None:
    assert len(parse_case("-- setup: makes one table\n" + WHOLE, "a.sql").steps) == 3


def test_a_header_that_is_there_makes_one_like_it_prose() -> None:
    case = parse_case(changed("-- expect:", "-- expected: both are equal\n-- expect:"), "a.sql")
    assert case.expect is Outcome.DEAD_LETTERED


def test_comments_before_the_setup_are_free() -> None:
    comments = "-- Note: two sessions\n-- Example: a shop\n-- author: me\n-- a table: t1\n-- more: later\n"
    comments += "-- Partitioned: by month\n-- model: a shop\n-- expected: both equal\n-- table: t\n"
    assert parse_case(comments + WHOLE, "a.sql").partitions == 2


@pytest.mark.parametrize(("steps", "first"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2)])
def test_a_middle_step_is_of_the_second_half(steps: int, first: int) -> None:
    head = WHOLE[: WHOLE.index("-- step\n")]
    case = parse_case(head + "-- step\nSELECT 1;\n" * steps, "a.sql")
    assert (len(case.first_half), len(case.second_half)) == (first, steps - first)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-- tables: public.t1, sales", "-- nothing: sales", "a.sql:1: tables: expected"),
        ("public.t1", "t1", "a.sql:2: tables: 't1' is not schema.table"),
        ('sales."My, Table"', "public.t1", "a.sql:2: tables: expected"),
        ("-- partitions: 2", "-- partition: 2", "a.sql:3: partition: did you mean `-- partitions: …`?"),
        ("-- partitions: 2", "-- partitions=2", "a.sql:3: partitions: did you mean `-- partitions: …`?"),
        ("-- tables: public", "-- table: public", "a.sql:2: table: did you mean `-- tables: …`?"),
        ("-- expect:", "-- Expects:", "a.sql:4: Expects: did you mean `-- expect: …`?"),
        ("-- partitions: 2", "-- partitions: 0", "a.sql:3: partitions: expected a number"),
        ("-- partitions: 2", "-- mode: append", "a.sql:3: mode: expected rows or changelog; got 'append'"),
        ("-- partitions: 2", "-- reconcile: 1", "a.sql:3: reconcile: expected yes or no; got '1'"),
        ("-- partitions: 2", "-- expect: equal", "a.sql:4: expect: is there already in line 3"),
        ("dead-lettered", "different", "a.sql:4: expect: expected one of equal, parked"),
        ("-- setup", "CREATE TABLE t2 (id int);", "a.sql:5: -: expected `-- setup` before any SQL"),
        ("-- setup\n", "", "a.sql:5: -: expected `-- setup` before any SQL"),
        ("-- step\n", "-- setup\n", "a.sql:5: -- setup: expected one, before all steps; found 2"),
        ("[session=A]", "[sesion=A]", "a.sql:12: -- step [sesion=A]: expected"),
        ("-- step\n", "-- step: move it [session=A]\n", "a.sql:10: -- step: move it [session=A]: expected"),
        ("BEGIN;\n", "", "a.sql:12: step 2: is empty"),
        ("-- setup", "-- setup [session=A]", "a.sql:5: -- setup: is run without a session"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(old: str, new: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_case(changed(old, new), "a.sql")
    assert str(caught.value).startswith(said)


def test_a_file_without_sections_is_refused() -> None:
    with pytest.raises(SpecError, match=r"a.sql:2: -- setup: expected one"):
        parse_case("-- tables: public.t\n-- expect: equal\n", "a.sql")
