-- tables: public.rename_column
-- expect: parked
-- setup
CREATE TABLE rename_column (id int PRIMARY KEY, v text);
INSERT INTO rename_column SELECT n, 'old' FROM generate_series(1, 100) n;
-- step
UPDATE rename_column SET v = 'older' WHERE id < 50;
-- step
ALTER TABLE rename_column RENAME COLUMN v TO title;
UPDATE rename_column SET title = 'newer' WHERE id < 20;
