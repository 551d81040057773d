-- The connector loses its connection while it reads a COPY, whose rows share an LSN, and begins again. Debezium
-- 3.7.0 loses the rest of a page when what it had sent ends with the page's first row; the reconciliation mends that.
-- tables: public.restarted_copy
-- partitions: 3
-- expect: equal
-- reconcile: yes
-- setup
CREATE TABLE restarted_copy (id int PRIMARY KEY, v text NOT NULL);
COPY restarted_copy FROM PROGRAM 'seq 1 1000 | awk ''{ print $1 "\tthere before" }''';
-- step
BEGIN;
COPY restarted_copy FROM PROGRAM 'seq 1001 20000 | awk ''{ print $1 "\tfirst" }''';
COMMIT;
SELECT pg_sleep(0.3);
SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database() AND active;
-- step
BEGIN;
UPDATE restarted_copy SET v = 'changed' WHERE id <= 500;
COPY restarted_copy FROM PROGRAM 'seq 20001 40000 | awk ''{ print $1 "\tsecond" }''';
DELETE FROM restarted_copy WHERE id % 10 = 0;
COMMIT;
SELECT pg_sleep(0.6);
SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database() AND active;
