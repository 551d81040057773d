"""The one error tree of the platform.

    CdcError
    ├── TransientError            the same call may succeed later: retried with back-off
    │   ├── UnavailableError      a component does not answer
    │   └── ConflictError         somebody else holds what is needed (a lease, a lock)
    └── TerminalError             the same call fails again until a person changes something
        ├── ConfigurationError    a setting, a connection or a prerequisite is wrong
        ├── SpecError             a pipeline file is wrong (file, line, field, expected)
        ├── UnsupportedSourceError  the source has a shape that cannot be captured
        ├── DataError             a value does not fit where it has to go
        ├── RefusedError          a sink refuses a row that the platform finds right
        ├── SchemaChangedError    the source's table is not what the pipeline declares
        ├── GenerationError       a topic is not the one whose offsets were recorded
        └── FencedError           a newer owner has taken the lease over

Every message says what was received, what was expected and what to do.
"""

from __future__ import annotations

TERMINAL_EXIT_CODE = 65
"""With which an application ends for a terminal error; for any other it is 1."""


class CdcError(Exception):
    """Base of every error that the platform raises on purpose."""


class TransientError(CdcError):
    """The same call may succeed later."""


class TerminalError(CdcError):
    """The same call fails again until a person changes something."""


class UnavailableError(TransientError):
    """A component does not answer, or answers that it is not ready."""


class ConflictError(TransientError):
    """Somebody else holds what is needed."""


class ConfigurationError(TerminalError):
    """A setting, a connection or a prerequisite is missing or wrong."""


class SpecError(TerminalError):
    """A pipeline file is invalid.

    Attributes:
        file: the file as it was named.
        line: 1-based line of the offending entry, or 0 when there is none.
        field: dotted path of the field, such as `tables[2].columns[0].type`.
    """

    def __init__(self, file: str, line: int, field: str, problem: str) -> None:
        """Build the message `file:line: field: problem`."""
        self.file, self.line, self.field, self.problem = file, line, field, problem
        super().__init__(f"{file}:{line}: {field}: {problem}")


class UnsupportedSourceError(TerminalError):
    """The source has a shape that cannot be captured without losing something."""


class DataError(TerminalError):
    """A value does not fit the type it has to go into; nothing is cut or changed to make it fit."""


class RefusedError(TerminalError):
    """A sink refuses a row, by a rule or a type of its own; the message is the sink's."""


class SchemaChangedError(TerminalError):
    """The source's table is not what the pipeline declares."""


class GenerationError(TerminalError):
    """A topic is not the one whose offsets were recorded."""


class FencedError(TerminalError):
    """A newer owner has taken the lease over; this one must write nothing more."""
