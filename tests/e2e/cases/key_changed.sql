-- tables: public.key_changed
-- partitions: 3
-- expect: equal
-- setup
CREATE TABLE key_changed (id bigint PRIMARY KEY, v text NOT NULL);
INSERT INTO key_changed SELECT n, 'row ' || n FROM generate_series(1, 60) n;
-- step
UPDATE key_changed SET id = id + 1000 WHERE id <= 30;
-- step
UPDATE key_changed SET v = v || '!' WHERE id > 1000;
UPDATE key_changed SET id = -id, v = 'moved again' WHERE id BETWEEN 1001 AND 1010;
-- step
INSERT INTO key_changed SELECT n, 'back at the old key' FROM generate_series(1, 10) n;
DELETE FROM key_changed WHERE id < -1005;
