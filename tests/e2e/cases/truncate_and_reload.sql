-- The event of a truncate and the rows of the same transaction lie in different partitions.
-- tables: public.truncate_and_reload
-- partitions: 3
-- expect: equal
-- setup
CREATE TABLE truncate_and_reload (id int PRIMARY KEY, v text NOT NULL);
INSERT INTO truncate_and_reload SELECT n, 'first load' FROM generate_series(1, 800) n;
-- step
BEGIN;
TRUNCATE truncate_and_reload;
INSERT INTO truncate_and_reload SELECT n, 'second load' FROM generate_series(300, 1000) n;
COMMIT;
-- step
BEGIN;
INSERT INTO truncate_and_reload SELECT n, 'gone at once' FROM generate_series(2000, 2100) n;
TRUNCATE truncate_and_reload;
INSERT INTO truncate_and_reload SELECT n, 'third load' FROM generate_series(1, 2050) n;
UPDATE truncate_and_reload SET v = 'touched' WHERE id % 10 = 0;
COMMIT;
-- step
DELETE FROM truncate_and_reload WHERE id > 2000;
