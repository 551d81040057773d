-- A unique index that takes NULL is Kafka's key, which moves when its column changes; long values are stored apart.
-- tables: public.changelog_truncated
-- mode: changelog
-- expect: equal
-- setup
CREATE TABLE changelog_truncated (code int UNIQUE, kind text, body text);
ALTER TABLE changelog_truncated REPLICA IDENTITY FULL;
ALTER TABLE changelog_truncated ALTER body SET STORAGE EXTERNAL;
INSERT INTO changelog_truncated SELECT NULLIF(n % 20, 0) + n, 'old', repeat('x', 3000) FROM generate_series(1, 500) n WHERE n <= 20;
INSERT INTO changelog_truncated SELECT NULL, 'same', repeat('y', 4000) FROM generate_series(1, 30);
-- step
UPDATE changelog_truncated SET kind = 'touched' WHERE code < 10;
UPDATE changelog_truncated SET code = code + 1000 WHERE code > 20;
-- step
BEGIN;
TRUNCATE changelog_truncated;
INSERT INTO changelog_truncated SELECT NULL, 'again', 'short' FROM generate_series(1, 50);
COMMIT;
-- step
BEGIN;
INSERT INTO changelog_truncated VALUES (1, 'gone', NULL), (NULL, 'gone', NULL);
TRUNCATE changelog_truncated;
INSERT INTO changelog_truncated SELECT NULL, 'last', repeat('z', 3000) FROM generate_series(1, 10);
INSERT INTO changelog_truncated VALUES (7, 'last', NULL);
SAVEPOINT here;
DELETE FROM changelog_truncated;
ROLLBACK TO here;
DELETE FROM changelog_truncated WHERE ctid = (SELECT max(ctid) FROM changelog_truncated WHERE code IS NULL);
COMMIT;
-- step
UPDATE changelog_truncated SET kind = 'end' WHERE code = 7;
INSERT INTO changelog_truncated SELECT * FROM changelog_truncated WHERE code IS NULL;
