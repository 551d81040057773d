-- tables: public.add_column_default
-- expect: equal
-- setup
CREATE TABLE add_column_default (id int PRIMARY KEY, v text);
INSERT INTO add_column_default SELECT n, 'old' FROM generate_series(1, 200) n;
-- step
UPDATE add_column_default SET v = 'older' WHERE id < 50;
-- step
ALTER TABLE add_column_default
  ADD COLUMN points int NOT NULL DEFAULT 7,
  ADD COLUMN price numeric(12,2) DEFAULT 9.5,
  ADD COLUMN since timestamptz NOT NULL DEFAULT '2026-01-02 03:04:05.123456+01',
  ADD COLUMN labels text[] DEFAULT '{}';
ALTER TABLE add_column_default ALTER COLUMN points SET DEFAULT 8;
INSERT INTO add_column_default (id, v) SELECT n, 'new' FROM generate_series(201, 220) n;
UPDATE add_column_default SET points = 0, labels = '{x}' WHERE id BETWEEN 40 AND 60;
-- step
ALTER TABLE add_column_default ADD COLUMN last boolean NOT NULL DEFAULT true;
