-- The event that set the long value is a dead letter; a later one, which does not say it, makes the row whole.
-- tables: public.toast_after_dead_letter
-- expect: dead-lettered
-- setup
CREATE TABLE toast_after_dead_letter (id int PRIMARY KEY, n numeric(12,2), at timestamp, body text);
ALTER TABLE toast_after_dead_letter ALTER body SET STORAGE EXTERNAL;
INSERT INTO toast_after_dead_letter
SELECT n, n, '2024-01-01', repeat(md5(n::text), 150) FROM generate_series(1, 40) n;
-- step
UPDATE toast_after_dead_letter SET at = '2024-02-02' WHERE id > 10;
UPDATE toast_after_dead_letter SET n = 'NaN', body = repeat('both ' || id, 900) WHERE id IN (1, 2);
UPDATE toast_after_dead_letter SET at = '10000-01-01', body = repeat('one ' || id, 900) WHERE id IN (3, 4);
UPDATE toast_after_dead_letter SET n = 5, at = '2024-03-03' WHERE id <= 4;
-- step
UPDATE toast_after_dead_letter SET at = '2024-02-03' WHERE id > 10;
UPDATE toast_after_dead_letter SET n = 'NaN', body = repeat('again ' || id, 900) WHERE id IN (1, 5);
UPDATE toast_after_dead_letter SET at = '10000-01-01', body = repeat('again ' || id, 900) WHERE id IN (3, 6);
UPDATE toast_after_dead_letter SET n = 7, at = '2024-04-04' WHERE id <= 6;
UPDATE toast_after_dead_letter SET id = id + 100 WHERE id IN (2, 5, 6);
