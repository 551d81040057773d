-- tables: public.key_many_changes
-- expect: equal
-- setup
CREATE TABLE key_many_changes (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO key_many_changes VALUES (1, 0), (2, 0), (3, 0);
-- step
DO $$ BEGIN
  FOR i IN 1..300 LOOP
    UPDATE key_many_changes SET n = n + 1 WHERE id = 1 + i % 3;
    IF i % 50 = 0 THEN
      DELETE FROM key_many_changes WHERE id = 2;
      INSERT INTO key_many_changes VALUES (2, i);
    END IF;
  END LOOP;
END $$;
-- step
BEGIN;
UPDATE key_many_changes SET id = 100 WHERE id = 3;
UPDATE key_many_changes SET id = 3 WHERE id = 1;
UPDATE key_many_changes SET id = 1, n = n + 1 WHERE id = 100;
COMMIT;
