-- Values stored out of line are not logged by an update that leaves them alone.
-- tables: public.toast_unchanged
-- expect: equal
-- setup
CREATE TABLE toast_unchanged (id int PRIMARY KEY, n int NOT NULL, body text, extra jsonb, bytes bytea);
ALTER TABLE toast_unchanged ALTER body SET STORAGE EXTERNAL, ALTER bytes SET STORAGE EXTERNAL;
INSERT INTO toast_unchanged
SELECT n, 0, repeat(md5(n::text), 200),
  jsonb_build_object('k', (SELECT string_agg(md5(n || 'j' || m), '') FROM generate_series(1, 200) m)),
  decode(repeat(md5(n || 'b'), 200), 'hex')
FROM generate_series(1, 20) n;
-- step
UPDATE toast_unchanged SET n = n + 1;
UPDATE toast_unchanged SET n = n + 1 WHERE id <= 10;
-- step
UPDATE toast_unchanged SET body = repeat('b' || id, 4000), n = 7 WHERE id BETWEEN 5 AND 8;
UPDATE toast_unchanged SET n = 8 WHERE id BETWEEN 5 AND 8;
-- step
UPDATE toast_unchanged SET body = NULL WHERE id = 9;
UPDATE toast_unchanged SET body = 'short', n = 1 WHERE id = 10;
UPDATE toast_unchanged SET n = 2 WHERE id IN (9, 10);
