"""Medians, percentiles, flat lags, and the keys of `bench.json`."""

from __future__ import annotations

import pytest

from local_stack.bench.figures import Spread, is_flat, percentile
from local_stack.bench.report import goal_rows, render, write_report
from local_stack.bench.summary import summarise
from local_stack.bench.timings import median_durations


def spread(median: float) -> dict[str, float]:
    return {"median": median, "low": median - 1, "high": median + 1, "count": 3}


def side(rate: float, cpu: float) -> dict[str, object]:
    run = {"events": 1000, "programs": {"java": 0.01, "python": 0.02}, "cpu_s": 0.03}
    return {
        "rows_per_s": spread(rate), "cpu_s_per_million": spread(cpu), "sink_cpu_s_per_million": spread(2.0),
        "peak_memory_mb": 900.04, "bytes_per_event": 630.0, "idle_cores": 0.01, "runs": [run, run],
    }  # fmt: skip


def delay(p50: float) -> dict[str, float]:
    return {
        "rate": 1000,
        "probes": 99,
        "p50_s": p50,
        "p99_s": p50 * 2,
        "max_s": 1.0,
        "behind_s": 0.0,
        "cpu": 0.5,
    }


def reconciled(opened: int) -> dict[str, object]:
    databases = ("source", "clickhouse", "warehouse")
    return {
        "seconds": spread(20.0), "rows_per_s": spread(500_000.0), "checksums": 98_304, "opened": opened,
        "opened_rows": opened * 900, "looked_at": opened, "bytes": dict.fromkeys(databases, spread(2e6)),
        "cpu_s": dict.fromkeys(databases, spread(9.5)), "runs": [],
    }  # fmt: skip


DETAILS = {
    "drain": {
        "clickhouse": {"ours": side(60_000, 15), "peer": side(20_000, 60)},
        "warehouse": {"ours": side(30_000, 20)},
    },
    "freshness": {
        "100": {"ours": {"clickhouse": delay(0.1), "warehouse": delay(0.1)}},
        "1000": {
            "ours": {"clickhouse": delay(0.15), "warehouse": delay(0.3), "kafka": delay(0.05)},
            "peers": {"clickhouse": delay(0.12)},
            "batches_ms": {"clickhouse": {"addBatch": 40.0, "rows": 100.0}},
        },
    },
    "sustained": {
        "share": 0.75, "rate": 7500.0, "capture_rate": 10_000.0, "backlog_rate": 15_000.0, "seconds": 60.0,
        "lags": [[0.0, 10.0], [1.0, 12.0]], "tried": [[0.9, False, 20.0], [0.75, True, 60.0]],
    },
    "reconcile": {
        "rows": 10_000_000, "columns": 12, "fill_s": 200.0, "planted": 6,
        "equal": reconciled(0), "faults": reconciled(6),
    },
    "environment": {"cores": 2},
    "missing": ["the JDBC sink is not measured"],
}  # fmt: skip


def test_the_summary_has_exactly_the_promised_keys():
    summary = summarise(DETAILS)
    assert list(summary) == ["drain", "freshness", "sustained", "reconcile", "environment"]
    for sink in ("clickhouse", "warehouse"):
        assert list(summary["drain"][sink]) == [
            "rows_per_s", "peer_rows_per_s", "ratio", "cpu_ratio", "peak_memory_mb",
        ]  # fmt: skip
        assert list(summary["freshness"][sink]) == ["rate", "p50_s", "p99_s"]
    assert list(summary["sustained"]) == ["share_of_capture"]
    names = ["rows", "seconds", "rows_per_s", "bytes", "cpu_s", "checksum_rows", "opened", "faults"]
    assert list(summary["reconcile"]) == list(summarise({})["reconcile"]) == names


def test_ratios_are_ours_over_the_peers_and_the_peers_cpu_over_ours():
    drain = summarise(DETAILS)["drain"]
    assert drain["clickhouse"] == {
        "rows_per_s": 60_000, "peer_rows_per_s": 20_000, "ratio": 3.0, "cpu_ratio": 4.0,
        "peak_memory_mb": 900.0,
    }  # fmt: skip
    assert (drain["warehouse"]["rows_per_s"], drain["warehouse"]["ratio"]) == (30_000, None)


def test_freshness_is_that_at_the_rate_which_has_a_goal():
    fresh = summarise(DETAILS)["freshness"]
    assert fresh["clickhouse"] == {"rate": 1000, "p50_s": 0.15, "p99_s": 0.3}


def test_a_reconciliation_has_its_figures_by_database():
    found = summarise(DETAILS)["reconcile"]
    assert found["bytes"] == {"source": 2_000_000, "clickhouse": 2_000_000, "warehouse": 2_000_000}
    assert found["cpu_s"]["source"] == 9.5
    assert (found["rows"], found["seconds"], found["opened"]) == (10_000_000, 20.0, 0)
    assert found["faults"] == {"planted": 6, "seconds": 20.0, "opened": 5400}


def test_what_was_not_measured_is_none():
    summary = summarise({})
    assert set(summary["drain"]["clickhouse"].values()) == {None}
    assert set(summary["freshness"]["warehouse"].values()) == {None}
    assert summary["sustained"]["share_of_capture"] is None
    assert set(summary["reconcile"].values()) == {None}


def test_goals_say_whether_they_were_met():
    rows = {what: goal for what, *_, goal in goal_rows(summarise(DETAILS), DETAILS)}
    assert rows["drain clickhouse, rows/s"] == "≥ 5 not met"
    assert rows["drain warehouse, rows/s"] == "≥ 3"
    assert rows["drain clickhouse, peak memory in MB"] == "≤ 1500 met"
    assert rows["freshness clickhouse at 1,000/s, p50 in s"] == "≤ 0.2 met"
    assert rows["freshness warehouse at 1,000/s, p50 in s"] == "≤ 0.2 not met"
    assert rows["sustained, share of capture"] == "≥ 0.9 not met"
    assert rows["reconciliation of 10,000,000 equal rows, rows opened"] == "≤ 0 met"


def test_what_was_not_measured_has_no_goal():
    alone = {"reconcile": DETAILS["reconcile"]}
    assert all(what.startswith("reconciliation") for what, *_ in goal_rows(summarise(alone), alone))


def test_the_report_shows_every_part():
    text = render(DETAILS, "short", ["short-drain.svg"])
    for words in (
        "the JDBC sink is not measured", "60,000 (59,999 to 60,001)", "| 1,000 | ours | kafka |",
        "90% for 20 s not held, 75% for 60 s held", "java 10.0, python 20.0", "addBatch 40",
        "![short-drain.svg]", "| cores | 2 |",
        "| source | equal | 9.50 (8.50 to 10.50) |", "98,304 rows of checksums", "With 6 planted faults",
    ):  # fmt: skip
        assert words in text


def test_a_report_is_written_with_its_plots(tmp_path):
    write_report(DETAILS, tmp_path, "short")
    plots = {
        "short-drain.svg",
        "short-freshness.svg",
        "short-batches.svg",
        "short-lag.svg",
        "short-reconcile.svg",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"short.md", "short.json", *plots}
    text = (tmp_path / "short.md").read_text()
    assert all(f"![{plot}]({plot})" in text for plot in plots)
    before = {plot: (tmp_path / plot).read_bytes() for plot in plots}
    write_report(DETAILS, tmp_path, "short")
    assert {plot: (tmp_path / plot).read_bytes() for plot in plots} == before


def test_percentiles_are_nearest_ranks():
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (50.0, 99.0, 100.0)
    assert percentile([3.0], 0.99) == 3.0


def test_a_spread_is_median_and_range():
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)


@pytest.mark.parametrize(
    ("growth", "flat"), [(0.0, True), (-50.0, True), (10.0, True), (60.0, False), (1000.0, False)]
)
def test_a_lag_is_flat_when_it_rises_by_less_than_a_second_of_changes(growth, flat):
    lags = [(float(second), 500 + 100 * (second % 2) + growth * second) for second in range(60)]
    assert is_flat(lags, rate=1000) is flat


def test_too_few_samples_prove_nothing():
    assert not is_flat([(0.0, 1.0), (1.0, 1.0)], rate=1000)


def test_durations_are_medians_of_each_step(tmp_path):
    log = tmp_path / "driver.log"
    lines = [
        f'{{"sink": "clickhouse", "input_rows": {n}, "durations_ms": {{"addBatch": {n}0}}, "event": "batch"}}'
        for n in (1, 2, 9)
    ]
    log.write_text("\n".join(["WARN something", *lines, "the end"]))
    assert median_durations(log) == {"clickhouse": {"rows": 2, "addBatch": 20}}
