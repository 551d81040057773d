"""What is kept between batches belongs to one thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from cdc_spark.kept import Kept


def test_a_thread_gets_what_it_kept_and_nothing_of_another_thread() -> None:
    kept: Kept[str] = Kept()
    kept.put("a", "mine")
    with ThreadPoolExecutor(1) as other:
        assert other.submit(kept.get, "a").result() is None
        other.submit(kept.put, "a", "theirs").result()
        assert other.submit(kept.pop, "a").result() == "theirs"
    assert kept.get("a") == kept.pop("a") == "mine"
    assert kept.pop("a") is None
