-- The ops store: what the platform knows about itself, on the control PostgreSQL. Every statement can be run again.
CREATE SCHEMA IF NOT EXISTS cdc_ops;

CREATE TABLE IF NOT EXISTS cdc_ops.leases (
  query       text PRIMARY KEY,
  epoch       bigint NOT NULL,
  owner       text NOT NULL,
  acquired_at timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS cdc_ops.streams (
  pipeline       text NOT NULL,
  stream         text NOT NULL,
  desired        text NOT NULL DEFAULT 'running',
  desired_at     timestamptz NOT NULL DEFAULT now(),
  application_id text,
  spec_hash      text,
  launched_at    timestamptz,
  failure        text,
  failed_at      timestamptz,
  PRIMARY KEY (pipeline, stream)
);
-- the first launch since something was asked of the stream or one of its queries gave a sign of life
ALTER TABLE cdc_ops.streams ADD COLUMN IF NOT EXISTS waiting_since timestamptz;
ALTER TABLE cdc_ops.streams DROP CONSTRAINT IF EXISTS streams_desired_check,
  ADD CONSTRAINT streams_desired_check CHECK (desired IN ('running', 'restarting', 'paused', 'stopped'));

CREATE TABLE IF NOT EXISTS cdc_ops.progress (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pipeline       text NOT NULL,
  stream         text NOT NULL,
  sink           text NOT NULL,
  query          text NOT NULL,
  batch_id       bigint NOT NULL,
  started_at     timestamptz NOT NULL,
  finished_at    timestamptz NOT NULL,
  input_rows     bigint NOT NULL,
  inserted       bigint NOT NULL,
  updated        bigint NOT NULL,
  deleted        bigint NOT NULL,
  dead_letters   bigint NOT NULL,
  latency_ms     double precision NOT NULL,
  checkpoint_ms  double precision NOT NULL,
  input_rate     double precision NOT NULL,
  processed_rate double precision NOT NULL,
  error_rate     double precision NOT NULL,
  until_offsets  jsonb NOT NULL,
  end_offsets    jsonb NOT NULL,
  offsets_behind bigint NOT NULL,
  max_source_ts  timestamptz,
  tables         jsonb NOT NULL,
  UNIQUE (query, batch_id, finished_at)
);
CREATE INDEX IF NOT EXISTS progress_newest ON cdc_ops.progress (query, finished_at DESC, batch_id DESC);

-- The last word of a query, also when it had nothing to do.
CREATE TABLE IF NOT EXISTS cdc_ops.queries (
  query      text PRIMARY KEY,
  touched_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS cdc_ops.dead_letters (
  pipeline        text NOT NULL,
  stream          text NOT NULL,
  sink            text NOT NULL,
  query           text NOT NULL,
  "table"         text NOT NULL,
  topic           text NOT NULL,
  partition       integer NOT NULL,
  "offset"        bigint NOT NULL,
  event_timestamp timestamptz,
  key             bytea,
  value           bytea,
  headers         jsonb NOT NULL DEFAULT '[]',
  error_class     text NOT NULL,
  message         text NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  replayed_at     timestamptz
);
-- A topic that was made anew counts its offsets from 0 again, so the generation is part of an event's place.
ALTER TABLE cdc_ops.dead_letters ADD COLUMN IF NOT EXISTS generation integer NOT NULL DEFAULT 1;
-- When it failed last: at a replay that wrote it, this lies before the replay began.
ALTER TABLE cdc_ops.dead_letters ADD COLUMN IF NOT EXISTS failed_at timestamptz NOT NULL DEFAULT now();
-- Why a person gave it up; `replayed_at` says when, and it is never open again.
ALTER TABLE cdc_ops.dead_letters ADD COLUMN IF NOT EXISTS discarded text NOT NULL DEFAULT '';
ALTER TABLE cdc_ops.dead_letters DROP CONSTRAINT IF EXISTS dead_letters_pkey;
CREATE UNIQUE INDEX IF NOT EXISTS dead_letters_place
  ON cdc_ops.dead_letters (query, topic, generation, partition, "offset");
CREATE INDEX IF NOT EXISTS dead_letters_open
  ON cdc_ops.dead_letters (pipeline, "table", sink) WHERE replayed_at IS NULL;

CREATE TABLE IF NOT EXISTS cdc_ops.parked (
  pipeline  text NOT NULL,
  "table"   text NOT NULL,
  sink      text NOT NULL,
  reason    text NOT NULL,
  offsets   jsonb NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, "table", sink)
);
-- Set while a table is resumed: its query writes again, and what it skipped is not read again to the end yet.
ALTER TABLE cdc_ops.parked ADD COLUMN IF NOT EXISTS released_at timestamptz;
-- The connector leaves the table out until it has passed this position of the source's log.
ALTER TABLE cdc_ops.parked ADD COLUMN IF NOT EXISTS left_out_until bigint;
-- How often changes of it were left out since it was parked; above 0 its topic does not have all of them.
ALTER TABLE cdc_ops.parked ADD COLUMN IF NOT EXISTS times_left_out integer NOT NULL DEFAULT 0;
-- The new build with which it is exchanged: set before the first sink shows the other table, until all do.
ALTER TABLE cdc_ops.parked ADD COLUMN IF NOT EXISTS exchanging text;

CREATE TABLE IF NOT EXISTS cdc_ops.topics (
  topic       text PRIMARY KEY,
  topic_id    text NOT NULL,
  partitions  integer NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS cdc_ops.generations (
  topic       text NOT NULL,
  topic_id    text NOT NULL,
  partition   integer NOT NULL,
  from_offset bigint NOT NULL,
  generation  integer NOT NULL CHECK (generation BETWEEN 1 AND 32767),
  recorded_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, topic_id, partition, generation)
);

CREATE TABLE IF NOT EXISTS cdc_ops.truncate_floors (
  pipeline    text NOT NULL,
  "table"     text NOT NULL,
  generation  integer NOT NULL,
  lsn         bigint NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, "table", generation, lsn)
);

CREATE TABLE IF NOT EXISTS cdc_ops.applied_tables (
  pipeline   text NOT NULL,
  "table"    text NOT NULL,
  columns    jsonb NOT NULL,
  applied_at timestamptz NOT NULL,
  PRIMARY KEY (pipeline, "table")
);

-- What the sinks' tables were built from, and what was made of a table when the source changed.
CREATE SEQUENCE IF NOT EXISTS cdc_ops.schema_revisions;
CREATE TABLE IF NOT EXISTS cdc_ops.table_schemas (
  pipeline   text NOT NULL,
  "table"    text NOT NULL,
  built      jsonb NOT NULL,
  declared   text NOT NULL,
  definition jsonb,
  generation integer NOT NULL DEFAULT 0,
  previous   jsonb,
  revision   bigint NOT NULL DEFAULT nextval('cdc_ops.schema_revisions'),
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, "table")
);

-- How the rows that a table had before it was captured got into its topic.
CREATE TABLE IF NOT EXISTS cdc_ops.snapshots (
  pipeline     text NOT NULL,
  source       text NOT NULL,
  kind         text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, source)
);
ALTER TABLE cdc_ops.snapshots DROP CONSTRAINT IF EXISTS snapshots_kind_check,
  ADD CONSTRAINT snapshots_kind_check CHECK (kind IN ('initial', 'incremental', 'blocking', 'changelog'));

-- The last first snapshot that was seen in the topic of the heartbeat's table, and how far that was read; `lsn` is NULL
-- while the next one is asked for.
CREATE TABLE IF NOT EXISTS cdc_ops.first_snapshots (
  pipeline      text PRIMARY KEY,
  topic_id      text NOT NULL,
  until_offsets jsonb NOT NULL,
  lsn           bigint
);

-- From which position of the source's log on the changes of a table are known to be in a sink without a gap; rows of
-- before it may be older than they look. `reason` is empty where no change is missing and rows are only read again.
CREATE TABLE IF NOT EXISTS cdc_ops.gaps (
  pipeline  text NOT NULL,
  "table"   text NOT NULL,
  sink      text NOT NULL,
  lsn       bigint NOT NULL,
  reason    text NOT NULL DEFAULT '',
  found_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  closed_at timestamptz,
  PRIMARY KEY (pipeline, "table", sink)
);

-- Until something wrote here, alerts were kept without a beginning and an end.
DROP TABLE IF EXISTS cdc_ops.alerts;

-- What is or was wrong, from its first breach to the first look that was well again.
CREATE TABLE IF NOT EXISTS cdc_ops.incidents (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pipeline text NOT NULL,
  "check"  text NOT NULL,
  subject  text NOT NULL,
  level    text NOT NULL,
  alarm    text NOT NULL,
  sentence text NOT NULL,
  figures  jsonb NOT NULL DEFAULT '{}',
  todo     text NOT NULL DEFAULT '',
  since    timestamptz,
  began_at timestamptz NOT NULL,
  told_at  timestamptz NOT NULL,
  told     text[] NOT NULL DEFAULT '{}',
  over_at  timestamptz,
  ending   text NOT NULL DEFAULT ''
);
-- When a check looked last: an incident that goes on is looked at by each run of the pipeline's checks.
ALTER TABLE cdc_ops.incidents ADD COLUMN IF NOT EXISTS looked_at timestamptz NOT NULL DEFAULT now();
CREATE UNIQUE INDEX IF NOT EXISTS incidents_open ON cdc_ops.incidents (pipeline, subject) WHERE over_at IS NULL;
CREATE INDEX IF NOT EXISTS incidents_newest ON cdc_ops.incidents (pipeline, began_at DESC);

-- What people were told, by which way, and whether it got there. What did not is sent again.
CREATE TABLE IF NOT EXISTS cdc_ops.deliveries (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pipeline     text NOT NULL,
  incidents    bigint[] NOT NULL DEFAULT '{}',
  channel      text NOT NULL CHECK (channel IN ('mail', 'webhook')),
  target       text NOT NULL,
  subject      text NOT NULL,
  body         text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  tried_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts     integer NOT NULL DEFAULT 0,
  error        text NOT NULL DEFAULT '',
  delivered_at timestamptz,
  given_up_at  timestamptz
);
ALTER TABLE cdc_ops.deliveries ADD COLUMN IF NOT EXISTS given_up_at timestamptz;
CREATE INDEX IF NOT EXISTS deliveries_open ON cdc_ops.deliveries (pipeline, id) WHERE delivered_at IS NULL;
CREATE INDEX IF NOT EXISTS deliveries_newest ON cdc_ops.deliveries (pipeline, created_at DESC);

-- How much WAL a slot held back, each time that it was checked: its growth is seen from these.
CREATE TABLE IF NOT EXISTS cdc_ops.slot_samples (
  pipeline text NOT NULL,
  slot     text NOT NULL,
  at       timestamptz NOT NULL,
  retained bigint NOT NULL,
  PRIMARY KEY (pipeline, slot, at)
);

-- Restarts of failed connector tasks that nobody asked for.
CREATE TABLE IF NOT EXISTS cdc_ops.connector_restarts (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pipeline  text NOT NULL,
  connector text NOT NULL,
  what      text NOT NULL,
  cause     text NOT NULL,
  at        timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a reconciliation has looked at, found and done.
CREATE TABLE IF NOT EXISTS cdc_ops.reconciliations (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pipeline    text NOT NULL,
  "table"     text NOT NULL,
  started_at  timestamptz NOT NULL,
  finished_at timestamptz NOT NULL,
  equal       boolean NOT NULL,
  report      jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS reconciliations_newest ON cdc_ops.reconciliations (pipeline, "table", id DESC);

-- Keys that a bounded run reads again from the source; they go when the run's work is done.
CREATE TABLE IF NOT EXISTS cdc_ops.repairs (
  run       uuid NOT NULL,
  pipeline  text NOT NULL,
  "table"   text NOT NULL,
  sink      text NOT NULL,
  key       bytea NOT NULL,
  partition integer NOT NULL,
  asked_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (run, "table", sink, key)
);

-- The parts that a partitioned or inherited table had when it was last compared.
CREATE TABLE IF NOT EXISTS cdc_ops.partitions (
  pipeline    text NOT NULL,
  "table"     text NOT NULL,
  parts       jsonb NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, "table")
);

-- What each table is complete up to in each sink, as it was last proven; `doubt` says why a later look proved nothing.
CREATE TABLE IF NOT EXISTS cdc_ops.watermarks (
  pipeline       text NOT NULL,
  "table"        text NOT NULL,
  sink           text NOT NULL,
  lsn            bigint,
  complete_until timestamptz,
  proven_at      timestamptz,
  doubt          text NOT NULL DEFAULT '',
  looked_at      timestamptz NOT NULL,
  PRIMARY KEY (pipeline, "table", sink)
);

-- Days that a downstream DAG has built, so that each is built once.
CREATE TABLE IF NOT EXISTS cdc_ops.built_days (
  pipeline       text NOT NULL,
  build          text NOT NULL,
  sink           text NOT NULL,
  day            date NOT NULL,
  complete_until timestamptz NOT NULL,
  built_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, build, sink, day)
);

-- For each topic the version at the earliest offset of each partition, each time that maintenance looked.
CREATE TABLE IF NOT EXISTS cdc_ops.horizons (
  topic       text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  versions    jsonb NOT NULL,
  PRIMARY KEY (topic, recorded_at)
);

-- What each run of upkeep did to each table of a sink and to this store, and what it found of Kafka's retention.
CREATE TABLE IF NOT EXISTS cdc_ops.maintenance (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pipeline    text NOT NULL,
  run         text NOT NULL,
  place       text NOT NULL,
  "table"     text NOT NULL,
  started_at  timestamptz NOT NULL,
  finished_at timestamptz NOT NULL,
  report      jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS maintenance_newest ON cdc_ops.maintenance (pipeline, place, "table", id DESC);

-- Backfills, replays and resyncs: what each is about, how far it is, how it ended.
CREATE TABLE IF NOT EXISTS cdc_ops.bounded_runs (
  id          uuid PRIMARY KEY,
  pipeline    text NOT NULL,
  "table"     text NOT NULL,
  kind        text NOT NULL CHECK (kind IN ('backfill', 'replay', 'resync')),
  "window"    jsonb NOT NULL,
  sinks       text[] NOT NULL,
  state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
  estimate    bigint,
  done        bigint NOT NULL DEFAULT 0,
  bad         bigint NOT NULL DEFAULT 0,
  position    jsonb NOT NULL DEFAULT '{}',
  started_at  timestamptz NOT NULL DEFAULT now(),
  touched_at  timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  message     text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS bounded_runs_newest ON cdc_ops.bounded_runs (pipeline, "table", started_at DESC);
