-- The rows of a COPY share one LSN.
-- tables: public.copy_many
-- partitions: 3
-- expect: equal
-- setup
CREATE TABLE copy_many (id int PRIMARY KEY, v int);
COPY copy_many FROM PROGRAM 'seq 1 2000 | awk ''{ print $1 "\t" $1 % 7 }''';
-- step
COPY copy_many FROM PROGRAM 'seq 2001 9000 | awk ''{ print $1 "\t" $1 % 11 }''';
-- step
UPDATE copy_many SET v = -v WHERE id % 3 = 0;
COPY copy_many FROM PROGRAM 'seq 9001 10000 | awk ''{ print $1 "\t\\N" }''';
