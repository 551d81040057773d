-- tables: public.transaction_large
-- expect: equal
-- setup
CREATE TABLE transaction_large (id int PRIMARY KEY, v text NOT NULL, n bigint);
INSERT INTO transaction_large VALUES (0, 'there before', 0);
-- step
BEGIN;
INSERT INTO transaction_large SELECT n, 'row ' || n, n::bigint * n FROM generate_series(1, 12000) n;
UPDATE transaction_large SET n = -n WHERE id BETWEEN 1001 AND 7000;
DELETE FROM transaction_large WHERE id BETWEEN 3001 AND 5000;
COMMIT;
-- step
INSERT INTO transaction_large SELECT n, 'after', NULL FROM generate_series(4001, 4100) n;
