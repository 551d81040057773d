-- Nested savepoints, more of them than PostgreSQL keeps in memory, and what is undone in the middle.
-- tables: public.savepoints
-- partitions: 3
-- expect: equal
-- setup
CREATE TABLE savepoints (id int PRIMARY KEY, n int NOT NULL, body text);
ALTER TABLE savepoints ALTER body SET STORAGE EXTERNAL;
INSERT INTO savepoints SELECT n, 0, repeat(md5(n::text), 100) FROM generate_series(1, 30) n;
-- step
BEGIN;
UPDATE savepoints SET n = 1 WHERE id <= 10;
SAVEPOINT outer_one;
UPDATE savepoints SET id = id + 100, body = 'never' WHERE id <= 5;
SAVEPOINT inner_one;
TRUNCATE savepoints;
INSERT INTO savepoints VALUES (1, 99, 'never');
ROLLBACK TO inner_one;
DELETE FROM savepoints WHERE id > 100;
ROLLBACK TO outer_one;
UPDATE savepoints SET id = id + 200 WHERE id <= 3;
RELEASE outer_one;
SAVEPOINT outer_two;
DELETE FROM savepoints WHERE id = 30;
RELEASE outer_two;
COMMIT;
-- step
DO $$ BEGIN
  FOR i IN 1..150 LOOP
    BEGIN
      INSERT INTO savepoints VALUES (1000 + i, i, NULL);
      UPDATE savepoints SET n = n + i WHERE id = 20;
      IF i % 3 = 0 THEN RAISE EXCEPTION 'undo'; END IF;
    EXCEPTION WHEN raise_exception THEN
      UPDATE savepoints SET n = n - 1 WHERE id = 21;
    END;
  END LOOP;
END $$;
