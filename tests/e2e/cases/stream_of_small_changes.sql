-- Many small transactions, more than one micro-batch.
-- tables: public.stream_of_small_changes
-- expect: equal
-- setup
CREATE TABLE stream_of_small_changes (id int PRIMARY KEY, n int NOT NULL, at timestamptz);
-- step
DO $$ BEGIN
  FOR i IN 1..400 LOOP
    INSERT INTO stream_of_small_changes VALUES (1 + i % 50, i, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET n = excluded.n, at = excluded.at;
    IF i % 17 = 0 THEN DELETE FROM stream_of_small_changes WHERE id = 1 + i % 13; END IF;
    COMMIT;
  END LOOP;
END $$;
-- step
MERGE INTO stream_of_small_changes t USING generate_series(40, 60) s(id) ON t.id = s.id
WHEN MATCHED AND t.id % 2 = 0 THEN DELETE
WHEN MATCHED THEN UPDATE SET n = -t.n
WHEN NOT MATCHED THEN INSERT VALUES (s.id, 0, NULL);
