-- TRUNCATE of a partition is in no event of its table, on whatever level the partition is.
-- tables: public.partition_truncated
-- expect: equal
-- setup
CREATE TABLE partition_truncated (id int, day date, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE partition_truncated_jan PARTITION OF partition_truncated
  FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE partition_truncated_feb PARTITION OF partition_truncated
  FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY HASH (id);
CREATE TABLE partition_truncated_feb_0 PARTITION OF partition_truncated_feb FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE partition_truncated_feb_1 PARTITION OF partition_truncated_feb FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO partition_truncated SELECT n, date '2024-01-01' + n % 58, 'old' FROM generate_series(1, 116) n;
-- step
TRUNCATE partition_truncated_feb_0;
UPDATE partition_truncated SET v = 'new' WHERE id % 3 = 0;
-- step
TRUNCATE partition_truncated_jan;
INSERT INTO partition_truncated SELECT n, '2024-01-05', 'again' FROM generate_series(1, 116, 7) n;
DELETE FROM partition_truncated WHERE id % 5 = 0;
