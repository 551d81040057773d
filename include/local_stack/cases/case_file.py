"""A case file: header lines, a setup and steps, each one script that is run exactly as written. Pure.

-- tables: public.t1,public.t2
-- partitions: 3            (optional: the partitions of the tables' topics)
-- expect: equal            (or parked, dead-lettered, refused)
-- mode: changelog          (optional: as `cdc discover --mode`; rows by default)
-- reconcile: yes           (optional: `cdc reconcile --repair` runs before the first comparison)
-- setup
CREATE TABLE t1 …
-- step
UPDATE t1 …
-- step 2 [session=A]: a number and a title may be given, and mean nothing
BEGIN; DELETE FROM t1 …
"""

from __future__ import annotations

import difflib
import itertools
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import cast, get_args

from cdc.errors import DataError, SpecError
from cdc.spec.names import join_qualified, split_qualified
from cdc.spec.tables import Mode


class Outcome(StrEnum):
    """How a case ends in a delivery; the last two are never expected."""

    EQUAL = "equal"
    PARKED = "parked"
    DEAD_LETTERED = "dead-lettered"
    REFUSED = "refused"
    DIFFERENT = "different"
    FAILED = "failed"


EXPECTABLE = tuple(Outcome)[:4]
_HEADERS = {
    "tables": re.compile(r".*\w\.\W?\w.*"),
    "partitions": re.compile(r"\d+"),
    "expect": re.compile("|".join(EXPECTABLE)),
    "mode": re.compile("|".join(get_args(Mode))),
    "reconcile": re.compile("yes|no"),
}
"""Each with what its value looks like: what has another one and another name is prose."""
_HEADER = re.compile(r"--\s*(\w+)\s*([:=])(.*)")
# How alike a header and a word are that was surely meant as it; prose begins with other words.
_ALIKE = 0.8
_SECTION = re.compile(
    r"--\s*(setup|step)(?:\s+\d+)?\s*:?\s*(?:\[?\s*session\s*=\s*([A-Za-z0-9_]+)\s*\]?)?"
    # A title; a session in it would be passed over in silence.
    r"\s*(?:(?::|(?<=\s)[-–—]+(?!\S))(?!.*\bsession\s*=).*)?",
    re.IGNORECASE,
)
# What was surely meant as a section; prose that begins with the same word is a comment.
_NEARLY = re.compile(r"--\s*(?:setup|step)\s*(?:\[|session|[:–—-].*\bsession\s*=)", re.IGNORECASE)
# Such a line too, in a file without any step.
_NUMBERED = re.compile(r"--\s*step\s*#?\d", re.IGNORECASE)
_PLAIN = re.compile(r"--\s*(setup|step)\s*:?", re.IGNORECASE)
_LIST_ITEM = re.compile(r'(?:"(?:[^"]|"")*"|[^,"])+')


@dataclass(frozen=True)
class Section:
    """One script.

    Attributes:
        title: what messages call it.
        line: of the script's first line, counted from 1.
        session: the connection that lives through the case; None is the default one.
    """

    title: str
    line: int
    text: str
    session: str | None = None


@dataclass(frozen=True)
class Case:
    """A case as its file describes it.

    Attributes:
        file: the file as it was named.
        tables: `schema.table`, quoted where PostgreSQL needs it.
        partitions: of the tables' topics; None is the pipeline's own number.
        mode: of the tables.
        reconcile: whether they are reconciled, and mended, before they are compared.
    """

    file: str
    tables: tuple[str, ...]
    expect: Outcome
    setup: Section
    steps: tuple[Section, ...]
    partitions: int | None = None
    mode: Mode = "rows"
    reconcile: bool = False

    @property
    def has_sessions(self) -> bool:
        """Whether steps are of sessions that race with each other, and with the snapshot."""
        return any(step.session for step in self.steps)

    @property
    def first_half(self) -> tuple[Section, ...]:
        """The steps before what happens in the middle of a case; a middle step comes after it."""
        return self.steps[: len(self.steps) // 2]

    @property
    def second_half(self) -> tuple[Section, ...]:
        """The steps after it."""
        return self.steps[len(self.first_half) :]


def parse_case(text: str, file: str) -> Case:
    """Read a case.

    Raises:
        SpecError: with file, line and what was expected.
    """
    lines = text.splitlines(keepends=True)
    starts = _starts(lines, file)
    head = _header(lines[: starts[0]] if starts else lines, file)
    sections = [
        _section(lines, start, end, count, file)
        for count, (start, end) in enumerate(itertools.pairwise([*starts, len(lines)]))
    ]
    setups = [section for section in sections if section.title == "setup"]
    if len(setups) != 1 or sections[0] is not setups[0]:
        where = starts[0] + 1 if starts else len(lines)
        raise SpecError(file, where, "-- setup", f"expected one, before all steps; found {len(setups)}")
    return Case(
        file=file,
        tables=_tables(head, file),
        expect=_expect(head, file),
        partitions=_partitions(head, file),
        mode=_mode(head, file),
        reconcile=_reconcile(head, file),
        setup=sections[0],
        steps=tuple(sections[1:]),
    )


def _starts(lines: list[str], file: str) -> list[int]:
    """Where sections begin.

    In a file with a plain `-- setup` or `-- step`, one with a number or a title is a comment like it.
    """
    stripped = [line.strip() for line in lines]
    plain = {match[1].lower() for text in stripped if (match := _PLAIN.fullmatch(text))}
    matches = {n: match for n, text in enumerate(stripped) if (match := _SECTION.fullmatch(text))}
    found = [
        number
        for number, match in matches.items()
        if match[1].lower() not in plain or match[2] or _PLAIN.fullmatch(stripped[number])
    ]
    stepless = not any(matches[number][1].lower() == "step" for number in found)
    for number, text in enumerate(stripped):
        if number not in matches and (_NEARLY.match(text) or (stepless and _NUMBERED.match(text))):
            raise SpecError(
                file,
                number + 1,
                text,
                "expected `-- setup`, `-- step`, `-- step 1: title` or `-- step [session=A]: title`; "
                "begin a comment with another word",
            )
    return found


def _section(lines: list[str], start: int, end: int, count: int, file: str) -> Section:
    match = _SECTION.fullmatch(lines[start].strip())
    kind, session = match.groups() if match else ("", None)
    body = "".join(lines[start + 1 : end])
    title = "setup" if kind.lower() == "setup" else f"step {count}"
    if title == "setup" and session:
        raise SpecError(file, start + 1, "-- setup", "is run without a session: expected `-- setup` alone")
    if not body.strip():
        raise SpecError(file, start + 1, title, "is empty: expected SQL below it")
    return Section(title, start + 2, body, session)


def _header(lines: list[str], file: str) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    alike: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("--"):
            raise SpecError(file, number, "-", f"expected `-- setup` before any SQL; got {text!r:.60}")
        if match := _HEADER.fullmatch(text):
            word, sign, value = match.groups()
            name = word.lower()
            if name in found:
                raise SpecError(file, number, name, f"is there already in line {found[name][0]}")
            if sign == ":" and name in _HEADERS:
                found[name] = (number, value.strip())
            elif (meant := difflib.get_close_matches(name, _HEADERS, 1, _ALIKE)) and _HEADERS[
                meant[0]
            ].fullmatch(value.strip()):
                alike[meant[0]] = (number, word)
    for name, (number, word) in alike.items():
        if name not in found:
            hint = f"did you mean `-- {name}: …`? Begin a comment with another word"
            raise SpecError(file, number, word, hint)
    return found


def _tables(head: dict[str, tuple[int, str]], file: str) -> tuple[str, ...]:
    line, text = head.get("tables", (1, ""))
    try:
        names = [join_qualified(*split_qualified(item)) for item in _LIST_ITEM.findall(text)]
    except DataError as error:
        raise SpecError(file, line, "tables", str(error)) from None
    if not names or len(set(names)) < len(names):
        raise SpecError(file, line, "tables", f"expected `-- tables: public.t1,public.t2`; got {text!r}")
    return tuple(names)


def _expect(head: dict[str, tuple[int, str]], file: str) -> Outcome:
    line, text = head.get("expect", (1, ""))
    if text not in EXPECTABLE:
        raise SpecError(file, line, "expect", f"expected one of {', '.join(EXPECTABLE)}; got {text!r}")
    return Outcome(text)


def _mode(head: dict[str, tuple[int, str]], file: str) -> Mode:
    line, text = head.get("mode", (1, "rows"))
    if text not in get_args(Mode):
        raise SpecError(file, line, "mode", f"expected {' or '.join(get_args(Mode))}; got {text!r}")
    return cast("Mode", text)


def _reconcile(head: dict[str, tuple[int, str]], file: str) -> bool:
    line, text = head.get("reconcile", (1, "no"))
    if text not in ("yes", "no"):
        raise SpecError(file, line, "reconcile", f"expected yes or no; got {text!r}")
    return text == "yes"


def _partitions(head: dict[str, tuple[int, str]], file: str) -> int | None:
    if "partitions" not in head:
        return None
    line, text = head["partitions"]
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise SpecError(file, line, "partitions", f"expected a number from 1 to 100; got {text!r}")
    return int(text)
