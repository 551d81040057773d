-- tables: public.truncate_one
-- partitions: 3
-- expect: equal
-- setup
CREATE TABLE truncate_one (id int PRIMARY KEY, v text);
INSERT INTO truncate_one SELECT n, 'old' FROM generate_series(1, 500) n;
-- step
UPDATE truncate_one SET v = 'older' WHERE id < 100;
TRUNCATE truncate_one;
-- step
INSERT INTO truncate_one SELECT n, 'new' FROM generate_series(400, 600) n;
