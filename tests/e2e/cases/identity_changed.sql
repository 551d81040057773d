-- tables: public.identity_changed
-- expect: equal
-- setup
CREATE TABLE identity_changed (id int PRIMARY KEY, other int NOT NULL UNIQUE, v text);
INSERT INTO identity_changed SELECT n, n * 10, 'a' FROM generate_series(1, 40) n;
-- step
UPDATE identity_changed SET v = 'default' WHERE id <= 10;
ALTER TABLE identity_changed REPLICA IDENTITY FULL;
UPDATE identity_changed SET v = 'full' WHERE id BETWEEN 5 AND 20;
DELETE FROM identity_changed WHERE id IN (6, 31);
-- step
ALTER TABLE identity_changed REPLICA IDENTITY DEFAULT;
UPDATE identity_changed SET id = id + 100 WHERE id BETWEEN 15 AND 18;
DELETE FROM identity_changed WHERE id IN (7, 32);
