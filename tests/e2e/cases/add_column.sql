-- tables: public.add_column
-- expect: equal
-- setup
CREATE TABLE add_column (id int PRIMARY KEY, v text);
INSERT INTO add_column SELECT n, 'old' FROM generate_series(1, 200) n;
-- step
UPDATE add_column SET v = 'older' WHERE id < 50;
-- step
ALTER TABLE add_column ADD COLUMN "City Name" text;
INSERT INTO add_column SELECT n, 'new', 'Łódź' FROM generate_series(201, 220) n;
UPDATE add_column SET "City Name" = 'Oslo' WHERE id BETWEEN 40 AND 60;
DELETE FROM add_column WHERE id = 5;
-- step
ALTER TABLE add_column ADD COLUMN tags text[], ADD COLUMN gone int;
ALTER TABLE add_column DROP COLUMN gone;
UPDATE add_column SET tags = '{a,NULL}' WHERE id = 7;
