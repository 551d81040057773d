-- B waits for A's row, and both change it.
-- tables: public.race_for_a_row
-- expect: equal
-- setup
CREATE TABLE race_for_a_row (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO race_for_a_row VALUES (1, 0), (2, 0);
-- step [session=A]
BEGIN;
UPDATE race_for_a_row SET n = n + 1 WHERE id = 1;
-- step [session=B]
BEGIN;
UPDATE race_for_a_row SET n = n + 10 WHERE id = 1;
-- step [session=A]
UPDATE race_for_a_row SET n = n + 100 WHERE id = 2;
COMMIT;
-- step [session=B]
UPDATE race_for_a_row SET n = n * 2;
COMMIT;
