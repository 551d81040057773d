-- Definitions that are others for a while, and as before when somebody looks: rows that are rewritten without an
-- event, and events that name columns, labels and rows otherwise.
-- tables: public.back_type, public.back_using, public.back_expression, public.back_label, public.back_names, public.back_identity, public.back_key, public.back_part
-- partitions: 3
-- expect: equal

-- setup
CREATE TABLE back_type (id int PRIMARY KEY, n numeric(8,2));
INSERT INTO back_type SELECT g, g + 0.25 FROM generate_series(1, 40) g;
CREATE TABLE back_using (id int PRIMARY KEY, n int, v text);
INSERT INTO back_using SELECT g, g, 'v' FROM generate_series(1, 40) g;
CREATE TABLE back_expression (id int PRIMARY KEY, n int, g int GENERATED ALWAYS AS (n * 2) STORED);
INSERT INTO back_expression SELECT g, g FROM generate_series(1, 40) g;
CREATE TYPE back_mood AS ENUM ('sad', 'ok');
CREATE TABLE back_label (id int PRIMARY KEY, mood back_mood, moods back_mood[]);
INSERT INTO back_label SELECT g, 'ok', '{ok,sad}' FROM generate_series(1, 40) g;
CREATE TABLE back_names (id int PRIMARY KEY, a text, b text);
INSERT INTO back_names SELECT g, 'a', 'b' FROM generate_series(1, 40) g;
CREATE TABLE back_identity (id int PRIMARY KEY, u int NOT NULL UNIQUE);
INSERT INTO back_identity SELECT g, g + 1000 FROM generate_series(0, 39) g;
CREATE TABLE back_key (id int PRIMARY KEY, u int NOT NULL);
CREATE UNIQUE INDEX back_key_u ON back_key (u);
INSERT INTO back_key SELECT g, g + 1000 FROM generate_series(1, 40) g;
CREATE TABLE back_part (id int PRIMARY KEY, u int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE back_part_low PARTITION OF back_part FOR VALUES FROM (0) TO (20);
CREATE TABLE back_part_high PARTITION OF back_part FOR VALUES FROM (20) TO (100);
CREATE UNIQUE INDEX back_part_u ON back_part_low (u);
INSERT INTO back_part SELECT g, g + 1000 FROM generate_series(1, 40) g;

-- step
UPDATE back_type SET n = n + 1 WHERE id < 5;
UPDATE back_using SET v = 'w' WHERE id < 5;
UPDATE back_expression SET n = n + 1 WHERE id < 5;
UPDATE back_label SET mood = 'sad' WHERE id < 5;
UPDATE back_names SET a = 'x' WHERE id < 5;
DELETE FROM back_identity WHERE id = 39;
DELETE FROM back_key WHERE id = 40;
DELETE FROM back_part WHERE id = 40;

-- step
ALTER TABLE back_type ALTER n TYPE int;
ALTER TABLE back_type ALTER n TYPE numeric(8,2);
ALTER TABLE back_using ALTER n TYPE int USING n * 2;
UPDATE back_using SET v = 'x' WHERE id > 35;
ALTER TABLE back_expression ALTER g SET EXPRESSION AS (n * 3);
ALTER TYPE back_mood RENAME VALUE 'ok' TO 'fine';
UPDATE back_label SET mood = 'fine' WHERE id < 3;
INSERT INTO back_label VALUES (50, 'fine', '{fine}');
ALTER TYPE back_mood RENAME VALUE 'fine' TO 'ok';
BEGIN;
ALTER TABLE back_names RENAME a TO tmp;
ALTER TABLE back_names RENAME b TO a;
ALTER TABLE back_names RENAME tmp TO b;
UPDATE back_names SET a = 'is b', b = 'is a' WHERE id BETWEEN 5 AND 9;
ALTER TABLE back_names RENAME a TO tmp;
ALTER TABLE back_names RENAME b TO a;
ALTER TABLE back_names RENAME tmp TO b;
COMMIT;
ALTER TABLE back_identity REPLICA IDENTITY USING INDEX back_identity_u_key;
DELETE FROM back_identity WHERE id = 3;
UPDATE back_identity SET id = 140 WHERE id = 4;
ALTER TABLE back_identity REPLICA IDENTITY DEFAULT;
BEGIN;
ALTER TABLE back_key DROP CONSTRAINT back_key_pkey;
ALTER TABLE back_key ADD PRIMARY KEY USING INDEX back_key_u;
DELETE FROM back_key WHERE id = 7;
UPDATE back_key SET id = 107 WHERE id = 8;
ALTER TABLE back_key DROP CONSTRAINT back_key_u;
ALTER TABLE back_key ADD CONSTRAINT back_key_pkey PRIMARY KEY (id);
COMMIT;
ALTER TABLE back_part_low REPLICA IDENTITY USING INDEX back_part_u;
DELETE FROM back_part WHERE id = 3;
UPDATE back_part SET id = 0 WHERE id = 4;
ALTER TABLE back_part_low REPLICA IDENTITY DEFAULT;

-- step
UPDATE back_type SET n = n + 1 WHERE id = 6;
UPDATE back_identity SET u = u + 100 WHERE id = 10;
UPDATE back_names SET a = 'y' WHERE id = 10;
