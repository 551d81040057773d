-- tables: public.inherited_child
-- expect: equal
-- setup
CREATE TABLE inherited_base (id int PRIMARY KEY, v text);
CREATE TABLE inherited_child (extra int, PRIMARY KEY (id)) INHERITS (inherited_base);
INSERT INTO inherited_base VALUES (1, 'only in the base');
INSERT INTO inherited_child SELECT n, 'child', n FROM generate_series(1, 10) n;
-- step
UPDATE inherited_base SET v = 'through the base' WHERE id <= 5;
-- step
DELETE FROM inherited_base WHERE id = 2;
INSERT INTO inherited_child VALUES (2, 'again', NULL);
