-- 200,000 changes.
-- tables: public.transaction_large
-- expect: equal
-- setup
CREATE TABLE transaction_large (id int PRIMARY KEY, v text NOT NULL, n bigint);
INSERT INTO transaction_large VALUES (0, 'there before', 0);
-- step
BEGIN;
INSERT INTO transaction_large SELECT n, 'row ' || n, n::bigint * n FROM generate_series(1, 120000) n;
UPDATE transaction_large SET n = -n WHERE id BETWEEN 10001 AND 70000;
DELETE FROM transaction_large WHERE id BETWEEN 30001 AND 50000;
COMMIT;
-- step
INSERT INTO transaction_large SELECT n, 'after', NULL FROM generate_series(40001, 41000) n;
