-- tables: public.drop_column
-- expect: equal
-- setup
CREATE TABLE drop_column (id int PRIMARY KEY, v text NOT NULL, tags text[] NOT NULL DEFAULT '{}', n int NOT NULL);
INSERT INTO drop_column SELECT n, 'old', '{a}', n FROM generate_series(1, 200) n;
-- step
UPDATE drop_column SET v = 'older' WHERE id < 50;
-- step
ALTER TABLE drop_column DROP COLUMN tags, DROP COLUMN n;
INSERT INTO drop_column SELECT n, 'new' FROM generate_series(201, 220) n;
UPDATE drop_column SET v = 'newer' WHERE id BETWEEN 40 AND 60;
DELETE FROM drop_column WHERE id = 5;
