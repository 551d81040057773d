"""ClickHouse's own compressed blocks: checksum, method, sizes, payload (`compress=1`, `decompress=1`).

A block is 16 bytes of CityHash128 (v1.0.2) over the rest, then one byte of method, the compressed size with
these nine bytes (uint32), the size of what was compressed (uint32), and the payload.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import lz4.block
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

from local_stack.clickhouse_http.errors import (
    CANNOT_DECOMPRESS,
    CANNOT_READ_ALL_DATA,
    CHECKSUM_DOESNT_MATCH,
    UNKNOWN_COMPRESSION_METHOD,
    ClickHouseError,
)

NONE, LZ4, ZSTD = 0x02, 0x82, 0x90
BLOCK_SIZE = 1 << 20
_MAX_BLOCK = 1 << 30
_HEADER = struct.Struct("<BII")
_PREFIX = 16 + _HEADER.size


def checksum(block: bytes) -> bytes:
    """The 16 bytes that stand before a block."""
    value: int = CityHash128(block)
    return struct.pack("<QQ", value >> 64, value & 0xFFFFFFFFFFFFFFFF)


def encode_block(data: bytes, method: int = LZ4) -> bytes:
    """One block of at most `BLOCK_SIZE` bytes of `data`."""
    if method == LZ4:
        payload = bytes(lz4.block.compress(data, store_size=False))
    elif method == ZSTD:
        payload = zstandard.compress(data, 1)
    else:
        payload = data
    block: bytes = _HEADER.pack(method, len(payload) + _HEADER.size, len(data)) + payload
    return checksum(block) + block


def encode_blocks(data: bytes, method: int = LZ4) -> bytes:
    """As many blocks as `data` needs; nothing for nothing."""
    return b"".join(
        encode_block(data[at : at + BLOCK_SIZE], method) for at in range(0, len(data), BLOCK_SIZE)
    )


def decode_blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what the blocks in `chunks` hold; the chunks may be cut anywhere.

    Raises:
        ClickHouseError: a checksum does not match, a method is unknown, or the last block is not whole.
    """
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= _PREFIX:
            method, packed, size = _HEADER.unpack_from(buffer, 16)
            if not _HEADER.size <= packed <= _MAX_BLOCK or size > _MAX_BLOCK:
                raise ClickHouseError(
                    CANNOT_DECOMPRESS,
                    f"A compressed block claims {packed} bytes for {size}; at most {_MAX_BLOCK}.",
                )
            if len(buffer) < 16 + packed:
                break
            yield _decode_block(bytes(buffer[:16]), bytes(buffer[16 : 16 + packed]), method, size)
            del buffer[: 16 + packed]
    if buffer:
        raise ClickHouseError(
            CANNOT_READ_ALL_DATA, f"The last compressed block is cut off after {len(buffer)} bytes."
        )


def _decode_block(expected: bytes, block: bytes, method: int, size: int) -> bytes:
    if checksum(block) != expected:
        raise ClickHouseError(
            CHECKSUM_DOESNT_MATCH,
            "Checksum doesn't match: corrupted data. "
            f"Reference: {expected.hex()}. Actual: {checksum(block).hex()}.",
        )
    payload = block[_HEADER.size :]
    try:
        if method == LZ4:
            return bytes(lz4.block.decompress(payload, uncompressed_size=size))
        if method == ZSTD:
            return bytes(zstandard.decompress(payload, max_output_size=size))
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        raise ClickHouseError(CANNOT_DECOMPRESS, f"Cannot decompress a block: {error}") from error
    if method == NONE:
        return payload
    raise ClickHouseError(UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method: 0x{method:02x}")
