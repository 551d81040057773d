-- What ClickHouse's types do not hold is a dead letter there; the warehouse has it, with the true era.
-- tables: public.beyond_clickhouse, public.beyond_keys
-- expect: dead-lettered
-- setup
CREATE TABLE beyond_clickhouse (id int PRIMARY KEY, day date, days date[], price numeric(8,2), at timestamp,
  zoned timestamptz);
CREATE TABLE beyond_keys (at timestamptz PRIMARY KEY, v text);
INSERT INTO beyond_keys VALUES ('4713-01-01 00:00:00+00 BC', 'old'), ('0001-12-31 23:59:59.5+00 BC', 'old'),
  ('0044-03-15 00:00:00+00 BC', 'old'), ('2026-03-15 00:00:00+00', 'now'), ('9999-12-31 00:00:00+00', 'last'),
  ('10000-01-01 00:00:00+00', 'far'), ('infinity', 'never'), ('-infinity', 'before');
INSERT INTO beyond_clickhouse VALUES
  (1, '0044-03-15 BC', NULL, 1, NULL, NULL), (2, '2026-03-15 BC', NULL, 1, NULL, NULL),
  (3, '1582-10-10', NULL, 1, NULL, NULL), (4, '2026-03-15', NULL, 'NaN', NULL, NULL),
  (5, '2026-03-15', '{2026-03-15 BC}', 1, NULL, NULL), (6, '2026-03-15', '{2026-03-15}', 1, NULL, NULL),
  (7, NULL, NULL, 1, '294276-12-31 23:59:59.999999', NULL),
  (8, NULL, NULL, 1, 'infinity', '294276-12-31 23:59:59.999999+00');
-- step
UPDATE beyond_clickhouse SET price = 2 WHERE price <> 'NaN';
INSERT INTO beyond_clickhouse VALUES (9, '4714-11-24 BC', '{1582-10-10}', 'NaN', '-infinity', 'infinity');
UPDATE beyond_keys SET v = v || '!';
-- step
INSERT INTO beyond_keys VALUES ('0100-01-01 00:00:00+00 BC', 'old'), ('20000-01-01 00:00:00+00', 'far');
INSERT INTO beyond_clickhouse VALUES (10, '2026-03-15', NULL, 1, NULL, NULL);
