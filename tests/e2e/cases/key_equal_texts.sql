-- Keys that PostgreSQL holds to be the same value although their texts differ: Kafka has them apart.
-- tables: public.key_numeric,public.key_citext
-- partitions: 3
-- expect: equal
-- setup
CREATE EXTENSION IF NOT EXISTS citext;
CREATE TABLE key_numeric (id numeric, size numeric(6,2), v text, PRIMARY KEY (id, size));
CREATE TABLE key_citext (id citext PRIMARY KEY, v text);
INSERT INTO key_numeric SELECT n / 10.0, n, 'set' FROM generate_series(1, 60) n;
INSERT INTO key_citext SELECT 'Name' || n, 'set' FROM generate_series(1, 30) n;
-- step
UPDATE key_numeric SET id = trim_scale(id), v = 'trimmed';
UPDATE key_citext SET id = upper(id::text), v = 'upper';
-- step
UPDATE key_numeric SET id = round(id, 3), v = 'scaled';
DELETE FROM key_citext WHERE id = 'name3';
INSERT INTO key_citext VALUES ('name3', 'again'), ('ÄB', 'new');
-- step
DELETE FROM key_numeric WHERE id = 2;
UPDATE key_numeric SET id = '1', v = 'last' WHERE id = 1.0;
INSERT INTO key_numeric VALUES (123456789012345678901234567890.5, -1, 'long'), (0, 0.5, 'zero'), (-0.5, 10, 'negative');
UPDATE key_citext SET id = lower(id::text), v = v || '!';
