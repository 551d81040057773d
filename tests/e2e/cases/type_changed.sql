-- tables: public.type_changed
-- expect: parked
-- setup
CREATE TABLE type_changed (id int PRIMARY KEY, n int);
INSERT INTO type_changed SELECT n, n FROM generate_series(1, 100) n;
-- step
UPDATE type_changed SET n = -n WHERE id < 50;
-- step
ALTER TABLE type_changed ALTER COLUMN n TYPE bigint;
UPDATE type_changed SET n = n + 1 WHERE id < 20;
