"""A Spark checkpoint's own files say how far a query is."""

from pathlib import Path

import pytest

from cdc.errors import ConfigurationError
from cdc.services.health import read_checkpoint


def batch(folder: Path, number: int, offsets: str | None, committed: bool = True) -> None:
    for name in ("offsets", "commits"):
        (folder / name).mkdir(exist_ok=True)
    if offsets is not None:
        text = f'v1\n{{"batchWatermarkMs":0,"batchTimestampMs":1,"conf":{{}}}}\n{offsets}'
        (folder / "offsets" / str(number)).write_text(text)
    if committed:
        (folder / "commits" / str(number)).write_text('v1\n{"nextBatchWatermarkMs":0}')


def test_the_newest_committed_batch_counts(tmp_path: Path) -> None:
    batch(tmp_path, 9, '{"t":{"0":5,"1":6},"u":{"0":1}}')
    batch(tmp_path, 10, '{"t":{"0":7,"1":6},"u":{"0":1}}')
    batch(tmp_path, 11, '{"t":{"0":9,"1":9},"u":{"0":9}}', committed=False)
    (tmp_path / "commits" / ".10.crc").write_text("x")
    offsets, at = read_checkpoint(f"file://{tmp_path}")
    assert offsets == {"t": {0: 7, 1: 6}, "u": {0: 1}}
    assert at is not None


def test_a_batch_that_was_purged_meanwhile_is_passed_over(tmp_path: Path) -> None:
    batch(tmp_path, 1, '{"t":{"0":5}}')
    batch(tmp_path, 2, None)
    assert read_checkpoint(str(tmp_path))[0] == {"t": {0: 5}}


def test_no_checkpoint_yet(tmp_path: Path) -> None:
    assert read_checkpoint(str(tmp_path / "none")) == (None, None)
    assert read_checkpoint("s3a://bucket/x") == (None, None)
    batch(tmp_path, 0, '{"t":{"0":5}}', committed=False)
    assert read_checkpoint(str(tmp_path)) == (None, None)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    batch(tmp_path, 0, "[1]")
    with pytest.raises(ConfigurationError, match="not as Spark's Kafka source"):
        read_checkpoint(str(tmp_path))
