-- tables: public.refused_partition
-- expect: refused
-- setup
CREATE TABLE refused_partition_root (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE refused_partition PARTITION OF refused_partition_root FOR VALUES FROM (0) TO (10);
-- step
INSERT INTO refused_partition VALUES (1);
