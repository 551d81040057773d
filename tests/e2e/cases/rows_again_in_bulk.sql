-- tables: public.rows_again_in_bulk
-- partitions: 3
-- expect: equal
-- setup
CREATE TABLE rows_again_in_bulk (id int PRIMARY KEY, v text NOT NULL, n numeric);
INSERT INTO rows_again_in_bulk SELECT n, 'old ' || n, n FROM generate_series(1, 3000) n;
-- step
DELETE FROM rows_again_in_bulk;
INSERT INTO rows_again_in_bulk SELECT n, 'new ' || n, n * 1.5 FROM generate_series(501, 3500) n;
-- step
BEGIN;
DELETE FROM rows_again_in_bulk WHERE id % 2 = 0;
INSERT INTO rows_again_in_bulk SELECT n, 'newest ' || n, NULL FROM generate_series(502, 2000, 2) n;
COMMIT;
