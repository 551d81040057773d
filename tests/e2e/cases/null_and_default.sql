-- NULL said for a column that has a default is NULL, in a snapshot, an insert and an update. An event of a delete
-- knows nothing of the columns outside the key, also where they are NOT NULL.
-- tables: public.null_and_default
-- expect: equal
-- setup
CREATE TYPE null_and_default_mood AS ENUM ('good', 'bad');
CREATE DOMAIN null_and_default_count AS int DEFAULT 3;
CREATE TABLE null_and_default (
  id int DEFAULT 7, code text DEFAULT 'k', PRIMARY KEY (id, code),
  n int DEFAULT 1, price numeric(12,2) DEFAULT 9.5, v text DEFAULT 'said', f float8 DEFAULT 0.5, b boolean DEFAULT true,
  d date DEFAULT '1999-12-31', at timestamptz DEFAULT '2026-01-02 03:04:05+01', made timestamptz DEFAULT now(),
  bytes bytea DEFAULT '\x00ff', j jsonb DEFAULT '{"a": 1}', u uuid DEFAULT 'b0e7c7a0-0000-4000-8000-000000000001',
  labels text[] DEFAULT '{x}', span interval DEFAULT '1 day', mood null_and_default_mood DEFAULT 'bad',
  counted null_and_default_count,
  must_n int NOT NULL DEFAULT 1, must_price numeric(12,2) NOT NULL DEFAULT 9.5, must_v text NOT NULL DEFAULT 'said',
  must_d date NOT NULL DEFAULT '1999-12-31', must_at timestamptz NOT NULL DEFAULT now(),
  must_j jsonb NOT NULL DEFAULT '{}', must_bytes bytea NOT NULL DEFAULT '\x00', must_labels text[] NOT NULL DEFAULT '{}',
  must_u uuid NOT NULL DEFAULT gen_random_uuid(), must_mood null_and_default_mood NOT NULL DEFAULT 'good',
  must_span interval NOT NULL DEFAULT '1 day', must_b boolean NOT NULL DEFAULT false);
INSERT INTO null_and_default (id) SELECT generate_series(1, 10);
INSERT INTO null_and_default
SELECT n, 'null', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM generate_series(1, 10) n;
-- step
INSERT INTO null_and_default
SELECT n, 'new', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM generate_series(11, 20) n;
UPDATE null_and_default SET n = NULL, v = NULL, d = NULL, at = NULL, mood = NULL, labels = NULL WHERE code = 'k' AND id < 5;
UPDATE null_and_default SET n = DEFAULT, v = DEFAULT, d = DEFAULT, mood = DEFAULT WHERE code = 'null' AND id < 5;
-- step
DELETE FROM null_and_default WHERE id IN (2, 6, 12);
UPDATE null_and_default SET id = id + 100 WHERE id IN (3, 7, 13);
-- step
ALTER TABLE null_and_default ADD COLUMN since date DEFAULT '1999-12-31', ADD COLUMN late int DEFAULT 5;
INSERT INTO null_and_default (id, code, since, late) SELECT n, 'late', NULL, NULL FROM generate_series(21, 25) n;
UPDATE null_and_default SET late = NULL WHERE id BETWEEN 8 AND 9;
-- step
ALTER TABLE null_and_default REPLICA IDENTITY FULL;
UPDATE null_and_default SET v = NULL, price = NULL WHERE id BETWEEN 21 AND 23;
DELETE FROM null_and_default WHERE id IN (4, 9, 22);
