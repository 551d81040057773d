-- Debezium's events say the same of these values as of others, so the source is asked which they are.
-- tables: public.told_apart
-- expect: equal
-- setup
CREATE TABLE told_apart (id int PRIMARY KEY, n int NOT NULL, span interval, area polygon, flags bool[], day date,
  stamps timestamp[]);
INSERT INTO told_apart VALUES
  (1, 0, 'infinity', '((1,2),(3,4),(1,2))', '{NULL,NULL}', '2026-01-01', '{"2026-01-01 00:00:00"}'),
  (2, 0, '-infinity', '((1,2),(3,4),(5,6))', '{t,NULL}', '1900-01-01', '{}'),
  (3, 0, '0', '((1,2))', '{}', NULL, NULL),
  (4, 0, '1 day', NULL, NULL, '2299-12-31', '{NULL,"1999-12-31 23:59:59"}');
-- step
UPDATE told_apart SET n = 1;
UPDATE told_apart SET span = 'infinity' WHERE id = 3;
INSERT INTO told_apart VALUES (5, 0, '-infinity', '((0,0),(1,1),(0,0))', '{NULL}', '2026-01-01', NULL);
-- step
UPDATE told_apart SET span = '0', area = '((1,2),(3,4))' WHERE id IN (1, 5);
UPDATE told_apart SET id = 12 WHERE id = 2;
DELETE FROM told_apart WHERE id = 4;
