-- tables: public.row_again
-- expect: equal
-- setup
CREATE TABLE row_again (id int PRIMARY KEY, v text);
INSERT INTO row_again SELECT n, 'first' FROM generate_series(1, 20) n;
-- step
DELETE FROM row_again WHERE id <= 10;
-- step
INSERT INTO row_again SELECT n, 'second' FROM generate_series(1, 5) n;
BEGIN; DELETE FROM row_again WHERE id = 1; INSERT INTO row_again VALUES (1, 'third'); COMMIT;
-- step
DELETE FROM row_again WHERE id IN (2, 15);
