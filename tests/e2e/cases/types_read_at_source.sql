-- Debezium's events lose something of these types, so the rows are read at the source.
-- tables: public.read_at_source
-- partitions: 2
-- expect: equal
-- setup
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE read_at_source (
  id int PRIMARY KEY, n int NOT NULL, bits varbit, at timetz, times time[], spans interval[], cash money[],
  grid int[][], moods mood[], numbers numeric(6,2)[], boxes box[], body text,
  twice int GENERATED ALWAYS AS (n * 2) VIRTUAL
);
ALTER TABLE read_at_source ALTER body SET STORAGE EXTERNAL;
INSERT INTO read_at_source
SELECT g, g, (g % 8)::bit(3)::varbit, '12:34:56.789012+05:30', '{12:34:56.789012,NULL,24:00:00}',
  '{"1 mon -1 day",NULL}', '{1.5,NULL}', '{{1,NULL},{3,4}}', '{sad,NULL}', '{1.50,NULL}',
  '{(3,4),(1,2);(1,1),(0,0)}', repeat(md5(g::text), 200)
FROM generate_series(1, 40) g;
INSERT INTO read_at_source (id, n, grid, moods) VALUES (41, 0, '[0:1]={1,2}', '{}'), (42, 0, '{}', NULL);
-- step
UPDATE read_at_source SET n = n + 1, bits = B'0' || bits WHERE id <= 20;
UPDATE read_at_source SET n = n + 1 WHERE id <= 10;
-- step
UPDATE read_at_source SET id = id + 100 WHERE id BETWEEN 15 AND 18;
DELETE FROM read_at_source WHERE id IN (19, 20, 116);
INSERT INTO read_at_source (id, n, at) VALUES (19, 7, '23:59:59.999999-08'), (201, 1, '24:00:00+00');
-- step
UPDATE read_at_source SET moods = '{happy,NULL,sad}', at = '12:00:00+01:02:03' WHERE id = 1;
UPDATE read_at_source SET grid = '{{{1}},{{2}}}', times = NULL WHERE id IN (41, 101, 201);
DELETE FROM read_at_source WHERE id = 42;
