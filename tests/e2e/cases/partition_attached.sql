-- A partition that has rows is attached, and they are changed afterwards; the first one comes to a table without any.
-- tables: public.partition_attached,public.partition_attached_first
-- expect: equal
-- setup
CREATE TABLE partition_attached (id int, n int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
ALTER TABLE partition_attached ALTER v SET STORAGE EXTERNAL;
CREATE TABLE partition_attached_0 PARTITION OF partition_attached FOR VALUES FROM (0) TO (100);
INSERT INTO partition_attached SELECT n, 0, repeat('old', 1000) FROM generate_series(1, 20) n;
-- Its columns have another order, and its rows are logged whole.
CREATE TABLE partition_attached_1 (v text, gone int, n int, id int PRIMARY KEY);
ALTER TABLE partition_attached_1 DROP gone, ALTER v SET STORAGE EXTERNAL, REPLICA IDENTITY FULL;
INSERT INTO partition_attached_1 SELECT repeat('first', 1000), 1, n FROM generate_series(101, 120) n;
CREATE TABLE partition_attached_2 (LIKE partition_attached INCLUDING ALL);
INSERT INTO partition_attached_2 SELECT n, 2, repeat('second', 1000) FROM generate_series(201, 220) n;
CREATE TABLE partition_attached_first (id int, v text, PRIMARY KEY (id)) PARTITION BY LIST (id);
CREATE TABLE partition_attached_first_1 (LIKE partition_attached_first INCLUDING ALL);
INSERT INTO partition_attached_first_1 VALUES (1, 'only');
-- step
ALTER TABLE partition_attached ATTACH PARTITION partition_attached_1 FOR VALUES FROM (100) TO (200);
-- step
UPDATE partition_attached SET n = n + 10 WHERE id % 3 = 0;
DELETE FROM partition_attached WHERE id IN (7, 107);
-- step
ALTER TABLE partition_attached ATTACH PARTITION partition_attached_2 FOR VALUES FROM (200) TO (300);
ALTER TABLE partition_attached_first ATTACH PARTITION partition_attached_first_1 FOR VALUES IN (1);
-- step
UPDATE partition_attached SET n = n + 100 WHERE id % 2 = 0;
UPDATE partition_attached SET id = id + 140 WHERE id IN (18, 108, 119);
DELETE FROM partition_attached WHERE id IN (203, 218);
