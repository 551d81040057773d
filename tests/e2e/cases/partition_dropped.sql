-- A partition is dropped, and another one with its bounds gets some of its rows again.
-- tables: public.partition_dropped
-- expect: equal
-- setup
CREATE TABLE partition_dropped (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE partition_dropped_0 PARTITION OF partition_dropped FOR VALUES FROM (0) TO (100);
CREATE TABLE partition_dropped_1 PARTITION OF partition_dropped FOR VALUES FROM (100) TO (200);
INSERT INTO partition_dropped SELECT n, 'old' FROM generate_series(1, 150, 2) n;
-- step
UPDATE partition_dropped SET v = 'new' WHERE id % 3 = 0;
-- step
DROP TABLE partition_dropped_1;
CREATE TABLE partition_dropped_1 PARTITION OF partition_dropped FOR VALUES FROM (100) TO (200);
INSERT INTO partition_dropped SELECT n, 'again' FROM generate_series(100, 120, 3) n;
