-- tables: public.transaction_rolled_back
-- expect: equal
-- setup
CREATE TABLE transaction_rolled_back (id int PRIMARY KEY, v text);
INSERT INTO transaction_rolled_back VALUES (1, 'a'), (2, 'b'), (3, 'c');
-- step
BEGIN;
UPDATE transaction_rolled_back SET v = 'kept' WHERE id = 1;
SAVEPOINT one;
DELETE FROM transaction_rolled_back;
INSERT INTO transaction_rolled_back VALUES (4, 'never');
SAVEPOINT two;
UPDATE transaction_rolled_back SET v = 'never' WHERE id = 4;
ROLLBACK TO one;
INSERT INTO transaction_rolled_back VALUES (5, 'kept');
RELEASE one;
COMMIT;
-- step [session=A]
BEGIN;
DELETE FROM transaction_rolled_back;
INSERT INTO transaction_rolled_back VALUES (6, 'never');
-- step [session=A]
ROLLBACK;
-- step
DO $$ BEGIN
  INSERT INTO transaction_rolled_back VALUES (7, 'kept');
  BEGIN
    UPDATE transaction_rolled_back SET v = 'never';
    INSERT INTO transaction_rolled_back VALUES (7, 'twice');
  EXCEPTION WHEN unique_violation THEN
    UPDATE transaction_rolled_back SET v = 'handled' WHERE id = 2;
  END;
END $$;
