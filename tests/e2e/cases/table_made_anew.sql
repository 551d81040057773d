-- tables: public.table_made_anew
-- expect: parked
-- setup
CREATE TABLE table_made_anew (id int PRIMARY KEY, v text);
INSERT INTO table_made_anew SELECT n, 'old' FROM generate_series(1, 100) n;
-- step
UPDATE table_made_anew SET v = 'older' WHERE id < 50;
-- step
DROP TABLE table_made_anew;
CREATE TABLE table_made_anew (id int PRIMARY KEY, v text);
INSERT INTO table_made_anew VALUES (1, 'another');
