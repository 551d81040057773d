-- tables: public.key_composite
-- expect: equal
-- setup
CREATE TABLE key_composite (b text, n int, a date, v numeric(10,2), PRIMARY KEY (a, b, n));
INSERT INTO key_composite SELECT chr(97 + n % 3), n, date '2024-01-01' + n % 5, n / 7.0 FROM generate_series(1, 90) n;
-- step
UPDATE key_composite SET v = v * 2 WHERE b = 'a';
UPDATE key_composite SET n = n + 500 WHERE b = 'b' AND n < 40;
-- step
DELETE FROM key_composite WHERE a = date '2024-01-03';
UPDATE key_composite SET a = a + 30, v = NULL WHERE b = 'c';
