"""Pipes between the engine and a client: it formats rows while the client reads, and reads what one sends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

_SIZE = 1 << 20


class _Pipe:
    """Both ends of a pipe, each closed once, whoever is first to say so."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._open = {self._reader, self._writer}
        # beyond the user's limit for pipes the kernel refuses: the usual 64 KiB do as well
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, _SIZE)

    def _close(self, end: int) -> None:
        with self._lock:
            if end in self._open:
                self._open.discard(end)
                os.close(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(self._writer)
        self._close(self._reader)


class InputPipe(_Pipe):
    """What `write` is given comes out of `path`; a full pipe makes the writer wait for the engine."""

    @property
    def path(self) -> str:
        """A file name that the engine can open for reading."""
        return f"/proc/self/fd/{self._reader}"

    def write(self, data: bytes) -> bool:
        """Hand over data; False when the engine reads no more."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._writer, view) :]
        except BrokenPipeError:
            return False
        return True

    def end_of_input(self) -> None:
        """The engine sees the data's end. Safe to call twice."""
        self._close(self._writer)

    def end_of_reading(self) -> None:
        """Called when the query is over: whoever writes then does not wait. Safe to call twice."""
        self._close(self._reader)


class OutputPipe(_Pipe):
    """What the engine writes to `path` comes out of `read`; a full pipe makes the engine wait."""

    @property
    def path(self) -> str:
        """A file name that the engine can open for writing."""
        return f"/proc/self/fd/{self._writer}"

    def end_of_output(self) -> None:
        """Called when the query is over: the reader then sees the end. Safe to call twice."""
        self._close(self._writer)

    def read(self) -> Iterator[bytes]:
        """Yield what is written, until the query is over."""
        while data := os.read(self._reader, _SIZE):
            yield data

    def drain(self, seconds: float) -> None:
        """Throw away what comes within about `seconds`, so that a query that was told to stop can do so."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._reader], [], [], left)
            if ready and not os.read(self._reader, _SIZE):
                return
