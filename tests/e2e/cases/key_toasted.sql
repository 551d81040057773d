-- A key so long that PostgreSQL stores it out of line. An update that leaves it alone logs it all the same, as
-- the old key (from 14.2 on), and Debezium takes the row's key from there.
-- tables: public.key_toasted
-- expect: equal
-- setup
CREATE TABLE key_toasted (k text PRIMARY KEY, v int NOT NULL, pad text);
ALTER TABLE key_toasted ALTER k SET STORAGE EXTERNAL;
INSERT INTO key_toasted
SELECT n || (SELECT string_agg(md5(n || 'x' || m), '') FROM generate_series(1, 70) m), n, repeat('p', 60)
FROM generate_series(1, 8) n;
-- step
UPDATE key_toasted SET v = v + 100;
-- step
UPDATE key_toasted SET pad = 'changed';
