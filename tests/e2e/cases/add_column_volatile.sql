-- Rows from before a volatile default are read again at the source, after everything else.
-- tables: public.add_column_volatile
-- expect: equal
-- setup
CREATE TABLE add_column_volatile (id int PRIMARY KEY, v text NOT NULL);
INSERT INTO add_column_volatile SELECT n, 'old' FROM generate_series(1, 300) n;
-- step
UPDATE add_column_volatile SET v = 'older' WHERE id <= 50;
-- step
ALTER TABLE add_column_volatile ADD COLUMN seen timestamptz NOT NULL DEFAULT clock_timestamp();
INSERT INTO add_column_volatile SELECT n, 'new' FROM generate_series(301, 320) n;
DELETE FROM add_column_volatile WHERE id % 7 = 0;
