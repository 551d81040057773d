-- The same value is left alone by one update after the other, in batches of their own.
-- tables: public.toast_repeated
-- partitions: 3
-- expect: equal
-- setup
CREATE TABLE toast_repeated (id int PRIMARY KEY, n int NOT NULL, body text, other text);
ALTER TABLE toast_repeated ALTER body SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL;
INSERT INTO toast_repeated SELECT n, 0, repeat(md5(n::text), 150), repeat(md5('o' || n), 150) FROM generate_series(1, 15) n;
-- step
DO $$ BEGIN
  FOR i IN 1..6 LOOP
    UPDATE toast_repeated SET n = n + 1;
    UPDATE toast_repeated SET other = repeat(md5(i || 'x' || id), 120) WHERE id % 6 = i;
    COMMIT;
    PERFORM pg_sleep(0.25);
  END LOOP;
END $$;
-- step
UPDATE toast_repeated SET id = id + 50, n = n + 1 WHERE id <= 5;
INSERT INTO toast_repeated SELECT n, -1, repeat('new', 1500), NULL FROM generate_series(1, 3) n;
-- step
DO $$ BEGIN
  FOR i IN 1..4 LOOP
    UPDATE toast_repeated SET n = n + 10 WHERE id % 2 = i % 2;
    COMMIT;
    PERFORM pg_sleep(0.25);
  END LOOP;
END $$;
-- step
DELETE FROM toast_repeated WHERE id = 2;
UPDATE toast_repeated SET id = 2 WHERE id = 55;
UPDATE toast_repeated SET n = 1000 WHERE id = 2;
-- step
-- Debezium's default placeholder, as a user's own text.
UPDATE toast_repeated SET other = '__debezium_unavailable_value' WHERE id IN (7, 8);
UPDATE toast_repeated SET n = n + 1 WHERE id = 8;
