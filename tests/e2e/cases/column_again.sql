-- A column comes and goes and comes again under its name, at once and later: no value of the first is one of the second.
-- tables: public.column_thrice, public.column_later
-- expect: equal
-- setup
CREATE TABLE column_thrice (id int PRIMARY KEY, v text);
INSERT INTO column_thrice SELECT g, 'v' || g FROM generate_series(1, 30) g;
CREATE TABLE column_later (id int PRIMARY KEY, v text);
INSERT INTO column_later SELECT g, 'v' || g FROM generate_series(1, 30) g;
-- step
ALTER TABLE column_thrice ADD COLUMN x int;
UPDATE column_thrice SET x = id WHERE id < 10;
ALTER TABLE column_thrice DROP COLUMN x;
ALTER TABLE column_thrice ADD COLUMN x int;
UPDATE column_thrice SET x = -id WHERE id IN (3, 20);
ALTER TABLE column_later ADD COLUMN x int;
UPDATE column_later SET x = id WHERE id < 10;
ALTER TABLE column_later DROP COLUMN x;
-- step
INSERT INTO column_thrice VALUES (40, 'n', 4);
UPDATE column_later SET v = v || '!' WHERE id < 5;
-- step
ALTER TABLE column_later ADD COLUMN x int DEFAULT 7;
UPDATE column_later SET x = -id WHERE id IN (3, 20);
