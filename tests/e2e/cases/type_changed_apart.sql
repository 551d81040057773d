-- Values from before that are none of the new type: Debezium stops at them when it has not read them in time.
-- tables: public.type_changed_apart,public.column_came_back
-- expect: parked
-- setup
CREATE TABLE type_changed_apart (id int PRIMARY KEY, v text, at timestamp, n numeric(8,2));
CREATE TABLE column_came_back (id int PRIMARY KEY, v text);
INSERT INTO type_changed_apart SELECT n, 'old', '2026-01-01 00:00', n / 3.0 FROM generate_series(1, 60) n;
INSERT INTO column_came_back SELECT n, 'old' FROM generate_series(1, 60) n;
-- step
UPDATE type_changed_apart SET v = 'older', n = 1.25 WHERE id < 20;
UPDATE column_came_back SET v = 'older' WHERE id < 20;
-- step
UPDATE type_changed_apart SET v = 'words' WHERE id > 50;
ALTER TABLE type_changed_apart ALTER v TYPE int USING length(v), ALTER at TYPE timestamptz, ALTER n TYPE int;
UPDATE type_changed_apart SET v = 9 WHERE id BETWEEN 10 AND 15;
ALTER TABLE column_came_back DROP COLUMN v;
ALTER TABLE column_came_back ADD COLUMN v int DEFAULT 4;
UPDATE column_came_back SET v = 9 WHERE id BETWEEN 10 AND 15;
