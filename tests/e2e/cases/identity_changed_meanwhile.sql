-- Another session changes the replica identity between the changes of an open transaction's neighbours.
-- tables: public.identity_changed_meanwhile
-- partitions: 3
-- expect: equal
-- setup
CREATE TABLE identity_changed_meanwhile (id int PRIMARY KEY, n int NOT NULL, body text);
ALTER TABLE identity_changed_meanwhile ALTER body SET STORAGE EXTERNAL;
INSERT INTO identity_changed_meanwhile SELECT n, 0, repeat(md5(n::text), 150) FROM generate_series(1, 24) n;
-- step [session=A]
BEGIN;
UPDATE identity_changed_meanwhile SET n = 1 WHERE id <= 12;
-- step [session=B]
BEGIN;
ALTER TABLE identity_changed_meanwhile REPLICA IDENTITY FULL;
-- step [session=A]
UPDATE identity_changed_meanwhile SET id = id + 100 WHERE id <= 4;
COMMIT;
-- step [session=B]
UPDATE identity_changed_meanwhile SET n = n + 10 WHERE id % 2 = 0;
DELETE FROM identity_changed_meanwhile WHERE id = 6;
COMMIT;
-- step
ALTER TABLE identity_changed_meanwhile REPLICA IDENTITY DEFAULT;
UPDATE identity_changed_meanwhile SET n = n + 100 WHERE id % 3 = 0;
DELETE FROM identity_changed_meanwhile WHERE id = 9;
