-- tables: public.toast_and_key_change
-- partitions: 3
-- expect: equal
-- setup
CREATE TABLE toast_and_key_change (id int PRIMARY KEY, n int NOT NULL, body text);
ALTER TABLE toast_and_key_change ALTER body SET STORAGE EXTERNAL;
INSERT INTO toast_and_key_change SELECT n, 0, repeat(md5(n::text), 150) FROM generate_series(1, 20) n;
-- step
UPDATE toast_and_key_change SET id = id + 100, n = 1 WHERE id <= 10;
-- step
UPDATE toast_and_key_change SET n = 2 WHERE id > 100;
UPDATE toast_and_key_change SET id = id + 100 WHERE id > 105;
