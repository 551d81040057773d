"""What the DAGs say about themselves in the UI (Markdown)."""

from __future__ import annotations

from cdc.spec import Pipeline, StreamSpec
from cdc_airflow.pipelines import describe_tables

_MORE = """
`cdc status` shows the same in a terminal; limits and schedules are in the pipeline's YAML (`policies`).
"""

CONNECTORS = f"""
### Registers the connectors, and everything they need
For each pipeline, safe to run at any time and as often as you like:

1. **validate_spec**: the YAML is read again; a mistake is named with file, line and field.
2. **validate_connector**: Kafka Connect checks Debezium's configuration before anything is changed.
3. **apply_pipeline**: source objects, topics, sink tables and views, connector. A table that is new in the
   YAML is snapshotted while everything else runs on.
4. **wait_for_connector**: until its tasks run; a failed task's trace is in the log and in the mail.

Beside them **end_orphans** ends drivers of streams that were taken out of the YAML, second drivers of one
stream, and leases whose driver has ended (`cdc stream orphans` shows them); with *Plan only* it tells them,
and a run for one pipeline leaves them to the next run for all.

When it is done, the DAGs `cdc_stream_…` look after their drivers.
{_MORE}"""

_STREAM = f"""
### Keeps the Spark application `{{app}}` running
It carries {{tables}}.

1. **ensure_stream**: looks for a live driver on YARN. None: submits one. One with the same specification:
   leaves it alone. One with another: asks it to stop between two batches, and submits the new one.
2. **wait_for_first_progress**: until every sink's query has made progress.

The driver is not a child of this task: restarting Airflow, or clearing this task, leaves it alone. A stream
that was stopped on request is not started by the schedule: run this DAG by hand with action *ensure*. One
that is paused keeps its offsets, alarms nobody, and starts by action *resume* alone.
{_MORE}"""

RESTART = f"""
### Restarts every stream, one after the other
For each stream **restart_…** asks the driver to end after the batch it is in, and submits a new one, which
goes on where that one ended; **wait_…** follows until every sink has progress. A stream that does not come
back stops the round. One that is stopped or paused is left out.

Its schedule is `policies.restart_schedule`; without one it is run by hand.
{_MORE}"""

HEALTH = f"""
### Is what was promised kept?
Each task is one check against the pipeline's `policies`. It fails when a breach outlasts the grace time.
That is an incident: one message when it begins (what, since when, figures, what to do), a reminder each
`reminder_minutes`, and one when it is over. `cdc alerts` lists them.

- **check_connector**: the Debezium connector and its tasks run; failed ones are restarted, at most
  `connector_restarts_per_hour` times, and the trace is in the log.
- **check_slot**: the replication slot is read, does not hold back too much WAL at the source, and is not
  about to be invalidated at the rate at which that grows.
- **check_queries_…**: age and lag of the last *progress* of each sink's query; that a driver runs
  proves nothing.
- **check_checkpoints_…**: the checkpoints' own offsets against Kafka's end offsets.
- **check_watermarks**: how far what the tables are proven complete up to is behind.
- **check_dead_letters**: what could not be written and waits.
- **read_pipeline_files**: every pipeline file is valid; a pipeline whose file is not has no DAGs.
- **deliver_again**: mails and webhooks that did not get there; incidents of streams and pipelines that
  are gone are over.
{_MORE}"""

WATERMARKS = f"""
### What is complete, up to when?
For each table and sink one proof: *every transaction whose commit ends at or below this LSN is there, and so
is every one that began before this time*. Debezium's slot has confirmed the LSN, and the sink's query has
written all that Kafka had after that.

Each proof is an event of the asset `cdc://<pipeline>/<sink>/<table>`, with `lsn`, `complete_until` and
`proven_at`. Schedule a DAG on these assets, as `example_daily_revenue` does.

A table that is parked, has open dead letters, or whose snapshot is under way has no proof; the log says so.
`cdc watermarks` shows them all.
{_MORE}"""

DAILY_REVENUE = f"""
### A batch on top of change data, without the usual guess
Runs when every table that it reads has advanced in every sink. For each sink it builds the days (UTC) beyond
whose end all the tables are complete, each day once: `marts.daily_revenue`. When no day is over, it skips.

A day is closed by the time before which no transaction is open at the source: a row that is stamped before
midnight can be committed after it.
{_MORE}"""

MAINTENANCE = f"""
### Merges, dedup and purges
For each pipeline, one sink after the other, within the budget of `policies.maintenance`:

- ClickHouse: `OPTIMIZE … FINAL` of the partitions with most parts, so that old versions of rows go.
- Both sinks: tombstones go once no event behind them can be written again, and rows that a TRUNCATE removed.
- The warehouse: vacuum and statistics. The ops store: old batches, incidents and replayed dead letters.
- **check_retention** fails when Kafka keeps events for less long than the slowest query, or a parked table,
  still needs, with the time of a replay to spare.

Safe at any time, also while streams run. The log has figures before and after; `cdc maintenance` and the
dashboard show them for each table, with what was left and why.
{_MORE}"""

SCHEMA = f"""
### Lets the sinks follow the source's tables
Not every change of a table shows in an event (a changed type, a column with a default), so this compares the
source's catalogue with what the sinks were built from, for each pipeline:

1. **compare_source**: added and dropped columns are followed in both sinks. Any other change parks its table:
   its events stay in Kafka, the other tables go on.
2. **ask_for_approval**: one run of `cdc_schema_change` for each parked table and difference.

`cdc schema status` shows the same in a terminal; each table's policies are `schema_changes` in the YAML.
{_MORE}"""

SCHEMA_CHANGE = f"""
### Builds one table anew, once somebody has approved it
1. **approve_change**: a mail tells the difference and the plan; approve or reject below *Required Actions*.
2. **build_table**: the table is built in every sink beside the old one, filled from the source, caught up
   from Kafka, exchanged in one step, and written again. The old one is kept (`cdc schema rollback`). It fails
   when the source has changed since: what was approved is not what would be built.

By hand: `cdc schema apply TABLE`, or this DAG with *approved*; without a *difference* it builds the table as
it is.
{_MORE}"""

REPLAY = f"""
### Writes dead letters once more
An event that could not be written is kept with its bytes and a sentence (`cdc dead-letters list`). Once its
cause is mended, run this DAG; the form narrows it to one pipeline, table or sink.

Each **replay_…** task runs the stream's own job over these bytes, beside the running stream. Rows get the
versions they had, so newer rows are never overwritten, and a second run changes nothing. What fails again
stays, with its new error, and fails the task. A stream without open dead letters is skipped. An event that
nothing can mend is given up by `cdc dead-letters discard`, and by its `--table` those of a table that the
pipeline has no more, which no run of this DAG writes.
{_MORE}"""

RECONCILIATION = f"""
### Is every row in every sink what the source has?
Each **reconcile_…** task compares the tables of one stream while changes flow. The source and each sink
compute checksums of the same buckets of keys; only buckets that differ are opened, down to keys and columns.
A row differs only if it still does after everything the source had was captured and written, and no newer
change explains it.

With repair, the stream's own job reads these rows again from the source, writes them above everything in the
topic and below everything to come, and rows that the source does not have are removed; then they are compared
again. A mail tells what differed; what is left fails the task. Reports are kept in `cdc_ops.reconciliations`.

A run's data interval is a window: with *window* `interval` (or `policies.reconcile_windows`) only rows whose
table's `event_time` lies in it are compared, by the same bounds in each database, and tables without one
whole. So `airflow backfill create --dag-id cdc_reconciliation --from-date … --to-date …` compares day by day.
{_MORE}"""

PARTITION_WATCH = f"""
### Was a partition changed without events?
TRUNCATE of a leaf, ATTACH of a filled partition, DETACH and DROP are in no event. Each task compares the
tables of its stream whose partitions are others than at their last comparison, and mends them as
`cdc_reconciliation` does. A stream without such tables is done in a second.
{_MORE}"""

BACKFILL = f"""
### Reads rows of a table again from the source
**backfill** reads everything, a range of keys, or the rows of a condition, and writes them to every sink
while the stream runs: above everything that is in the topic, below everything to come, so no newer change is
overwritten. A second run of the same rows changes nothing.

- *direct*: the stream's own job reads the rows, page after page.
- *snapshot*: Debezium reads them, and they come as events; for tables whose keys nothing proves the place
  of. A table with stored generated columns, or with a name that needs quotes, holds up all others meanwhile.

The log says how far it is, `cdc runs` too. A run that was broken off goes on where it was, within a day.
Rows that the source does not have stay: `cdc_reconciliation` removes them, `cdc_resync` as well.
{_MORE}"""

WINDOW_REPLAY = f"""
### Writes a stretch of events again
**replay** reads the events of a table, or of all, between two times or offsets from Kafka again, with the
versions that they had: newer rows are never overwritten, and a second run changes nothing. What Kafka has no
more is refused, with what it has and what to do instead.

Without *from* the run's data interval counts, a day, so whole days are replayed by

    airflow backfill create --dag-id cdc_replay --from-date 2026-01-01 --to-date 2026-01-03

The scheduler starts no run by itself.
{_MORE}"""

RESYNC = f"""
### Builds a table anew while readers have the old one
1. **approve_resync**: waits for an approval below *Required Actions*, or *approved*.
2. **resync**: parks the table, fills a shadow table in every sink from the source, catches it up from Kafka,
   exchanges the two in one step, and resumes the table.

The old table is kept until the next build (`cdc schema rollback`). A run that fails before the exchange has
changed nothing that readers see; the table stays parked: run it again, or `cdc table resume`.
{_MORE}"""


def stream_text(stream: StreamSpec, pipeline: Pipeline) -> str:
    """The text of one stream's DAG."""
    return _STREAM.format(app=stream.app_name, tables=describe_tables(pipeline)[stream.name])
