-- Values that use every digit that their types keep.
-- tables: public.digits, public.digit_arrays
-- expect: equal

-- setup
CREATE TABLE digits (id int PRIMARY KEY, r real, t timestamp(3), z timestamptz(2), d time(1), i interval(2),
  o timetz(3), n numeric(100, 2));
CREATE TABLE digit_arrays (id int PRIMARY KEY, r real[], t timestamp(1)[], z timestamptz(2)[], d time(1)[],
  i interval(3)[], n numeric(100, 2)[]);
INSERT INTO digits SELECT i, (random() * power(10, random() * 70 - 38))::real, now() + i * interval '1.234567s',
  now() + i * interval '1.234567s', '00:00:00'::time + i * interval '1.234567s', i * interval '1.234567s', '00:00:00+03'::timetz + i * interval '1.234567s', random() * 1e20
FROM generate_series(1, 1000) i;
INSERT INTO digits VALUES
  (-1, 1.4e-45, '1969-12-31 23:59:59.999', '1969-12-31 23:59:59.99Z', '24:00', '0.01s', '24:00+01', 0.01),
  (-2, 'NaN', '1900-01-01', '2026-01-01', '00:00', 'infinity', '00:00', -0.01),
  (-3, 1.17549435e-38, '2026-01-01', NULL, '00:00', '1 year 2 mons 0.99s', '00:00', 'NaN'),
  (-4, 'Infinity', '2026-01-01', '2026-01-01', '00:00', '1 year -2 mons -0.99s', '00:00', 1e90);

-- step
UPDATE digits SET r = (random() * power(10, random() * 70 - 38))::real, d = d + interval '0.1s', i = i * 1.37 WHERE id > 300;
INSERT INTO digit_arrays SELECT id, ARRAY[r, NULL, -r], ARRAY[t],
  ARRAY[z, NULL], ARRAY[d], ARRAY[i], ARRAY[n] FROM digits WHERE id > 0;

-- step
UPDATE digits SET r = r * 3, n = n * 7 WHERE id BETWEEN 300 AND 600;
UPDATE digit_arrays SET r = r || 1.1::real WHERE id < 500;
