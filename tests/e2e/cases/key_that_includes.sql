-- tables: public.key_that_includes
-- partitions: 3
-- expect: equal
-- setup
CREATE TABLE key_that_includes (id bigint, v text, n int NOT NULL, PRIMARY KEY (id) INCLUDE (v));
INSERT INTO key_that_includes SELECT i, 'row ' || i, i FROM generate_series(1, 60) i;
-- step
-- These change what the key's index includes, and no key: each row stays where it is.
UPDATE key_that_includes SET v = v || '!' WHERE id <= 30;
UPDATE key_that_includes SET v = NULL WHERE id BETWEEN 31 AND 40;
-- step
UPDATE key_that_includes SET id = id + 1000 WHERE id <= 10;
DELETE FROM key_that_includes WHERE id BETWEEN 25 AND 35;
