-- Rows that are equal in every column are told apart by nothing, and each of them counts.
-- tables: public.changelog_duplicates
-- mode: changelog
-- expect: equal
-- setup
CREATE TABLE changelog_duplicates (
  at timestamptz NOT NULL, device text NOT NULL, reading numeric(10, 2), flag boolean, labels text[], body jsonb
);
ALTER TABLE changelog_duplicates REPLICA IDENTITY FULL;
INSERT INTO changelog_duplicates
SELECT timestamptz '2026-01-01' + n / 3 * interval '1 minute', 'device ' || n / 3, n / 3 * 1.5, n % 2 = 0,
  CASE WHEN n % 5 > 0 THEN ARRAY['a', NULL] END, '{"n": 1.50}'
FROM generate_series(1, 300) n;
INSERT INTO changelog_duplicates SELECT * FROM changelog_duplicates;
-- step
INSERT INTO changelog_duplicates SELECT * FROM changelog_duplicates WHERE device < 'device 5';
INSERT INTO changelog_duplicates VALUES ('2026-02-01', '', NULL, NULL, '{}', NULL), ('2026-02-01', '', NULL, NULL, NULL, NULL);
-- step
DELETE FROM changelog_duplicates WHERE ctid IN (SELECT min(ctid) FROM changelog_duplicates GROUP BY device);
-- step
UPDATE changelog_duplicates SET reading = reading + 1
WHERE ctid IN (SELECT max(ctid) FROM changelog_duplicates WHERE device > 'device 3' GROUP BY device);
UPDATE changelog_duplicates SET flag = flag WHERE device = 'device 7';
BEGIN;
DELETE FROM changelog_duplicates;
ROLLBACK;
-- step
DELETE FROM changelog_duplicates WHERE device = 'device 9';
INSERT INTO changelog_duplicates SELECT * FROM changelog_duplicates WHERE device = 'device 8';
