"""Debezium's offsets say which snapshots are not complete."""

from __future__ import annotations

import json

from cdc.services.watermarks import unfinished_snapshots


def test_a_connector_without_offsets_has_captured_nothing() -> None:
    assert list(unfinished_snapshots([])) == [""]


def test_a_streaming_connector_has_no_snapshot_under_way() -> None:
    assert unfinished_snapshots([{"lsn": 1, "txId": 2}]) == {}


def test_an_initial_snapshot_concerns_every_table() -> None:
    assert unfinished_snapshots([{"snapshot": "INITIAL", "snapshot_completed": False}]) == {
        "": "a snapshot is under way"
    }


def test_an_incremental_snapshot_concerns_its_tables() -> None:
    collections = [
        {"incremental_snapshot_collections_id": name} for name in ("public.orders", "shop.sales.items")
    ]
    offset = {"lsn": 1, "incremental_snapshot_collections": json.dumps(collections)}
    assert set(unfinished_snapshots([offset])) == {"public.orders", "sales.items"}


def test_what_cannot_be_read_concerns_every_table() -> None:
    assert set(unfinished_snapshots([{"incremental_snapshot_collections": "?"}])) == {""}
