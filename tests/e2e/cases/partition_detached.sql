-- Partitions are detached: for good, or for a while in which their rows are changed.
-- tables: public.partition_detached
-- expect: equal
-- setup
CREATE TABLE partition_detached (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE partition_detached_0 PARTITION OF partition_detached FOR VALUES FROM (0) TO (100);
CREATE TABLE partition_detached_1 PARTITION OF partition_detached FOR VALUES FROM (100) TO (200);
CREATE TABLE partition_detached_2 PARTITION OF partition_detached FOR VALUES FROM (200) TO (300)
  PARTITION BY LIST (id);
CREATE TABLE partition_detached_2_rest PARTITION OF partition_detached_2 DEFAULT;
INSERT INTO partition_detached SELECT n, 'old' FROM generate_series(1, 299) n;
-- step
UPDATE partition_detached SET v = 'new' WHERE id % 3 = 0;
ALTER TABLE partition_detached DETACH PARTITION partition_detached_1;
-- step
ALTER TABLE partition_detached DETACH PARTITION partition_detached_0 CONCURRENTLY;
-- step
ALTER TABLE partition_detached DETACH PARTITION partition_detached_2;
UPDATE partition_detached_2 SET v = 'while away' WHERE id % 4 = 0;
DELETE FROM partition_detached_2_rest WHERE id % 5 = 0;
ALTER TABLE partition_detached ATTACH PARTITION partition_detached_2 FOR VALUES FROM (200) TO (300);
UPDATE partition_detached SET v = 'back' WHERE id % 7 = 0;
