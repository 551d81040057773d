-- A char without a length, short values of a char that is the key, texts of an array that end in a line, a time
-- that must not be NULL and rows that are deleted, a number whose fraction is kept in the key.
-- tables: public.odd_columns, public.odd_key, public.odd_number
-- partitions: 3
-- expect: equal
-- reconcile: yes

-- setup
CREATE TABLE odd_columns (
  id int PRIMARY KEY, free bpchar, words text[], more bpchar[], at time NOT NULL, must_u uuid NOT NULL,
  "n.a" text[], "n.b" text, span interval);
INSERT INTO odd_columns
SELECT n, repeat('x ', n), ARRAY['plain', E'line\n', E'NULL\n', E'\n', E'\tq'], ARRAY['a ', NULL], '12:30:00.5',
  gen_random_uuid(), ARRAY['x'], 'y', '1 day'
FROM generate_series(1, 12) n;

CREATE TABLE odd_key (code char(3) PRIMARY KEY, v text);
INSERT INTO odd_key VALUES ('USD', 'a'), ('EUR', 'b'), ('X', 'c'), ('', 'd'), ('é', 'e');

CREATE TABLE odd_number (n numeric, big numeric(38,0), span interval, PRIMARY KEY (n, big));
INSERT INTO odd_number VALUES
  (1.50, 123456789012345678901234567890, '1 hour'), (2, 2, NULL), (0.10, 98765432109876543210987654321, '1 mon');

-- step
UPDATE odd_columns SET words = array_append(words, E'new\n'), free = free || '  ' WHERE id % 2 = 0;
DELETE FROM odd_columns WHERE id > 9;
UPDATE odd_key SET v = v || '!' WHERE code IN ('X', '');
DELETE FROM odd_key WHERE code = 'EUR';
UPDATE odd_number SET span = span * 2;

-- step
INSERT INTO odd_columns VALUES (20, '', '{}', NULL, '24:00:00', gen_random_uuid(), NULL, NULL, NULL);
DELETE FROM odd_columns WHERE id IN (1, 2);
UPDATE odd_key SET code = 'Y' WHERE code = 'X';
DELETE FROM odd_number WHERE n = 2;
