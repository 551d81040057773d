-- Keys by which ClickHouse cannot order the rows as numbers: they are compared in PostgreSQL's order.
-- tables: public.key_unbounded,public.key_wide
-- expect: equal
-- setup
CREATE TABLE key_unbounded (id numeric PRIMARY KEY, v text);
CREATE TABLE key_wide (id numeric(100,2), n int, v text, PRIMARY KEY (id, n));
INSERT INTO key_unbounded SELECT (n - 30) * power(10::numeric, n), 'set' FROM generate_series(1, 60) n WHERE n <> 30;
INSERT INTO key_unbounded VALUES (0, 'zero'), ('NaN', 'none'), (1e50, 'far'), (-1.5, 'a'), (-1.55, 'b'), (1e-40, 'near');
INSERT INTO key_wide SELECT n * 1e80, n, 'set' FROM generate_series(-30, 30) n;
-- step
UPDATE key_unbounded SET v = 'new' WHERE id > 5;
UPDATE key_wide SET id = -id WHERE n > 10;
INSERT INTO key_unbounded VALUES ('Infinity', 'all'), ('-Infinity', 'less');
-- step
DELETE FROM key_unbounded WHERE id = 1e50;
INSERT INTO key_unbounded VALUES (-1e50, 'far');
INSERT INTO key_wide VALUES ('NaN', 1, 'none');
