-- tables: public.toast_after_insert
-- expect: equal
-- setup
CREATE TABLE toast_after_insert (id int PRIMARY KEY, n int NOT NULL, body text);
ALTER TABLE toast_after_insert ALTER body SET STORAGE EXTERNAL;
-- step
BEGIN;
INSERT INTO toast_after_insert SELECT n, 0, repeat(md5(n::text), 150) FROM generate_series(1, 12) n;
UPDATE toast_after_insert SET n = 1 WHERE id <= 8;
UPDATE toast_after_insert SET n = 2 WHERE id <= 4;
COMMIT;
-- step
DELETE FROM toast_after_insert WHERE id = 1;
INSERT INTO toast_after_insert VALUES (1, 5, repeat('again', 900));
UPDATE toast_after_insert SET n = 6 WHERE id = 1;
