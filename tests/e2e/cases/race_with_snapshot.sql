-- Two sessions whose transactions are open while the snapshot begins.
-- tables: public.race_with_snapshot
-- expect: equal
-- setup
CREATE TABLE race_with_snapshot (id int PRIMARY KEY, n int NOT NULL, note text);
INSERT INTO race_with_snapshot SELECT n, 0, 'before' FROM generate_series(1, 5000) n;
-- step [session=A]
BEGIN;
UPDATE race_with_snapshot SET n = n + 1, note = 'by A' WHERE id <= 1000;
-- step [session=B]
BEGIN;
UPDATE race_with_snapshot SET n = n + 10, note = 'by B' WHERE id BETWEEN 2000 AND 2500;
INSERT INTO race_with_snapshot VALUES (9001, 1, 'by B');
-- step
UPDATE race_with_snapshot SET n = n + 100 WHERE id > 4000;
-- step [session=A]
DELETE FROM race_with_snapshot WHERE id BETWEEN 11 AND 20;
COMMIT;
-- step
UPDATE race_with_snapshot SET n = n + 1000 WHERE id <= 1500;
-- step [session=B]
UPDATE race_with_snapshot SET id = id + 10000 WHERE id = 2400;
COMMIT;
