-- tables: public.value_that_does_not_fit
-- expect: dead-lettered
-- setup
CREATE TABLE value_that_does_not_fit (id int PRIMARY KEY, v numeric(12,2), day date);
INSERT INTO value_that_does_not_fit SELECT n, n, '2024-01-01' FROM generate_series(1, 30) n;
-- step
UPDATE value_that_does_not_fit SET v = v + 1 WHERE id > 5;
UPDATE value_that_does_not_fit SET v = 'NaN' WHERE id = 1;
-- step
UPDATE value_that_does_not_fit SET v = v + 1 WHERE id > 5;
UPDATE value_that_does_not_fit SET day = 'infinity' WHERE id = 2;
