-- Every type whose values can be stored out of line, left alone by an update.
-- tables: public.toast_types
-- expect: equal
-- setup
CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE EXTENSION ltree;
CREATE DOMAIN toast_domain AS text;
CREATE TYPE toast_pair AS (a int, b text);
CREATE TABLE toast_types (id int PRIMARY KEY, n int NOT NULL,
  a_text text NOT NULL, a_varchar varchar(20000), a_char char(9000), a_citext citext, a_domain toast_domain,
  a_bytea bytea, a_bytea_too bytea NOT NULL, a_json json, a_jsonb jsonb NOT NULL,
  a_numeric numeric, 
  some_texts text[], some_texts_too text[] NOT NULL, some_integers int[], some_numbers numeric(20,4)[],
  some_booleans bool[], some_moments timestamptz[], some_uuids uuid[], some_days date[], some_doubles float8[],
  an_hstore hstore, an_ltree ltree, a_tsvector tsvector, a_jsonpath jsonpath,
  a_path path, a_polygon polygon, a_range numrange, a_multirange int4multirange, a_pair toast_pair);
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT attname FROM pg_attribute
    WHERE attrelid = 'toast_types'::regclass AND attnum > 2 AND attstorage <> 'p' LOOP
    EXECUTE format('ALTER TABLE toast_types ALTER %I SET STORAGE EXTERNAL', name);
  END LOOP;
END $$;
INSERT INTO toast_types
SELECT i, 0, repeat(md5(i::text), 150), repeat('v' || i, 4000), repeat('c' || i, 4000), repeat('Ci' || i, 3000), repeat('d' || i, 4000),
  decode(repeat(md5(i::text), 250), 'hex'), decode(repeat(md5(i::text), 250), 'hex'),
  json_build_object('k', repeat('j' || i, 4000)), jsonb_build_object('k', repeat('b' || i, 4000)),
  repeat('123456789' || i, 900)::numeric,
  array_agg(md5(n::text)), array_agg(md5(n::text)), array_agg(n), array_agg(n / 7.0),
  array_agg(n % 3 = 0), array_agg('2024-01-01 00:00:00Z'::timestamptz + n * interval '1 hour'),
  array_agg(md5(n::text)::uuid), array_agg(date '2024-01-01' + n), array_agg(n / 3.0::float8),
  hstore(array_agg('k' || n), array_agg(md5(n::text))), string_agg('l' || n, '.')::ltree,
  to_tsvector('simple', string_agg('word' || n, ' ')),
  ('$.a' || repeat('.b' || i, 3000))::jsonpath,
  ('[' || string_agg(format('(%s,%s)', n, n + 1), ',') || ']')::path,
  ('(' || string_agg(format('(%s,%s)', n, n + 1), ',') || ')')::polygon,
  numrange(0, repeat('123456789', 900)::numeric), range_agg(int4range(3 * n, 3 * n + 1)), ROW(i, repeat('p', 9000))::toast_pair
FROM generate_series(1, 4) i, generate_series(1, 1500) n GROUP BY i;
-- step
UPDATE toast_types SET n = 1 WHERE id <= 2;
-- step
UPDATE toast_types SET n = 2 WHERE id = 1;
UPDATE toast_types SET id = 13 WHERE id = 3;
