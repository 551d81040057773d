"""HTTP content codings of requests and responses: gzip, deflate, zstd, lz4, bz2, xz."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import lz4.frame
import zstandard

from local_stack.clickhouse_http.errors import (
    CANNOT_DECOMPRESS,
    CANNOT_READ_ALL_DATA,
    UNKNOWN_COMPRESSION_METHOD,
    ClickHouseError,
)

# what the server prefers when a client accepts several, quickest first
PREFERENCE = ("lz4", "zstd", "gzip", "deflate", "bz2", "xz")
_SLICE = 1 << 16


class Encoder(Protocol):
    """Compresses a response piece by piece."""

    def compress(self, data: bytes) -> bytes:
        """Take `data` in; what comes out may lag behind."""

    def flush(self) -> bytes:
        """Everything that is still held back, and the end of the stream."""


class _Lz4Encoder:
    """lz4.frame's compressor in the shape of zlib's: the frame's header comes with the first piece."""

    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes) -> bytes:
        begin = b"" if self._begun else self._frame.begin()
        self._begun = True
        return begin + bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        return self.compress(b"") + bytes(self._frame.flush())


def choose_encoding(accepted: str) -> str | None:
    """The coding of the response for an `Accept-Encoding` header, or None for none.

    Args:
        accepted: the header's value, such as `gzip;q=0.5, lz4`.
    """
    names = set()
    for item in accepted.lower().split(","):
        name, _, weight = item.strip().partition(";")
        if weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            names.add(name.strip())
    return next((name for name in PREFERENCE if name in names), None)


def make_encoder(coding: str, level: int) -> Encoder:
    """A compressor for `coding`, one of `PREFERENCE`; `level` is meant for gzip and deflate."""
    level = min(max(level, 1), 9)
    encoders: dict[str, Callable[[], Any]] = {
        "gzip": lambda: zlib.compressobj(level, wbits=31),
        "deflate": lambda: zlib.compressobj(level),
        "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
        "lz4": _Lz4Encoder,
        "bz2": bz2.BZ2Compressor,
        "xz": lambda: lzma.LZMACompressor(preset=1),
    }
    encoder: Encoder = encoders[coding]()
    return encoder


def decode(chunks: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Yield the plain bytes of a request body.

    Args:
        chunks: the body as it arrives, cut anywhere.
        coding: the `Content-Encoding`; empty or `identity` for none.

    Raises:
        ClickHouseError: the coding is unknown, or the body is corrupt or cut off.
    """
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        yield from chunks
        return
    make = _DECODERS.get(coding)
    if make is None:
        known = ", ".join(PREFERENCE)
        raise ClickHouseError(
            UNKNOWN_COMPRESSION_METHOD,
            f"Unknown compression method in Content-Encoding: {coding}. Known: {known}.",
        )
    decoder: Any = None
    try:
        for chunk in chunks:
            while chunk:
                decoder = decoder or make()
                # sliced, so that a small body cannot turn into one huge piece in memory
                piece, chunk = chunk[:_SLICE], chunk[_SLICE:]
                yield decoder.decompress(piece)
                if decoder.eof:
                    # the next member of a concatenated stream
                    chunk, decoder = (decoder.unused_data or b"") + chunk, None
    except (zlib.error, zstandard.ZstdError, RuntimeError, OSError, EOFError, lzma.LZMAError) as error:
        raise ClickHouseError(CANNOT_DECOMPRESS, f"Cannot decompress the {coding} body: {error}") from error
    if decoder is not None:
        raise ClickHouseError(CANNOT_READ_ALL_DATA, f"The {coding} body is cut off.")


_DECODERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "x-gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": zlib.decompressobj,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "bz2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}
