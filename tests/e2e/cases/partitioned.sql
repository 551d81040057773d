-- tables: public.partitioned
-- expect: equal
-- setup
CREATE TABLE partitioned (id int, day date, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE partitioned_jan PARTITION OF partitioned FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE partitioned_feb PARTITION OF partitioned FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')
  PARTITION BY HASH (id);
CREATE TABLE partitioned_feb_0 PARTITION OF partitioned_feb FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE partitioned_feb_1 PARTITION OF partitioned_feb FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO partitioned SELECT n, date '2024-01-01' + n % 50, 'old' FROM generate_series(1, 100) n;
-- step
UPDATE partitioned SET v = 'new' WHERE id % 3 = 0;
UPDATE partitioned SET day = day + 20, v = 'moved' WHERE id % 7 = 0 AND day < '2024-02-01';
-- step
DELETE FROM partitioned_jan WHERE id % 5 = 0;
CREATE TABLE partitioned_mar PARTITION OF partitioned FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
INSERT INTO partitioned SELECT n, date '2024-02-20' + n % 20, 'late' FROM generate_series(200, 260) n;
