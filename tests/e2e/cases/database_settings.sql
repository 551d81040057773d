-- The database's settings change the texts of values and names, also for the other tables of the database.
-- tables: public.as_the_database_says
-- partitions: 2
-- expect: equal
-- setup
DO $$ DECLARE setting text; BEGIN
  FOREACH setting IN ARRAY ARRAY['datestyle TO ''German, DMY''', 'intervalstyle TO sql_standard',
    'bytea_output TO escape', 'timezone TO ''Asia/Kathmandu''', 'extra_float_digits TO -5',
    'quote_all_identifiers TO on', 'transform_null_equals TO on', 'statement_timeout TO 60000'] LOOP
    EXECUTE format('ALTER DATABASE %I SET %s', current_database(), setting);
  END LOOP; END $$;
CREATE TABLE public.as_the_database_says (id int PRIMARY KEY, d date, ts timestamp, tz timestamptz,
  iv interval, b bytea, f float8, r float4, m money, ds date[], tzs timestamptz[], fs float8[], bs bytea[],
  tr tstzrange, ivs interval[], t time, ttz timetz);
INSERT INTO public.as_the_database_says
SELECT n, '2024-03-04', '2024-03-04 05:06:07.123456', '2024-03-04 05:06:07.123456+00',
  '1 year 2 mons 3 days 04:05:06.7', '\x00ff5c41', 0.1::float8 + 0.2, 1.1::float4 / 3, 12.34,
  ARRAY['2024-03-04'::date, NULL], ARRAY['2024-03-04 05:06:07+00'::timestamptz],
  ARRAY[0.1::float8 + 0.2, 1e-300], ARRAY['\x00ff'::bytea], tstzrange('2024-03-04 05:06:07+00', NULL),
  ARRAY['-1 days +02:03:04'::interval], '05:06:07.1', '05:06:07.1+05' FROM generate_series(1, 20) n;
-- step
UPDATE public.as_the_database_says
SET d = d + id, ts = ts + interval '1 month', tz = tz - interval '3 hours', iv = -iv, b = '\x5c5c27', f = f / 3
WHERE id % 2 = 0;
INSERT INTO public.as_the_database_says (id, iv, d, tz, f, b)
VALUES (100, '-1 mons +2 days -03:04:05', '1950-12-31', '2199-12-31 23:59:59.999999+00', 'NaN', ''),
  (101, '0', '1999-10-04', '1970-01-01 00:00:00+00', '-Infinity', NULL);
-- step
DELETE FROM public.as_the_database_says WHERE id BETWEEN 5 AND 7;
UPDATE public.as_the_database_says SET id = id + 1000 WHERE id BETWEEN 8 AND 10;
