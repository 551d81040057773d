-- A virtual column is in no event: it is read at the source, also when it was added while the table is captured.
-- tables: public.virtual_added
-- expect: equal
-- setup
CREATE TABLE virtual_added (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) VIRTUAL);
INSERT INTO virtual_added SELECT g, g FROM generate_series(1, 40) g;
-- step
UPDATE virtual_added SET n = n + 1 WHERE id < 20;
-- step
ALTER TABLE virtual_added ADD COLUMN thrice int GENERATED ALWAYS AS (n * 3) VIRTUAL;
INSERT INTO virtual_added (id, n) VALUES (77, 77);
-- step
UPDATE virtual_added SET n = 5 WHERE id > 30;
DELETE FROM virtual_added WHERE id = 3;
