-- tables: public.enum_value
-- expect: equal
-- setup
CREATE TYPE mood_of_case AS ENUM ('sad', 'ok');
CREATE TABLE enum_value (id int PRIMARY KEY, mood mood_of_case NOT NULL DEFAULT 'ok');
INSERT INTO enum_value SELECT n FROM generate_series(1, 100) n;
-- step
UPDATE enum_value SET mood = 'sad' WHERE id < 10;
-- step
ALTER TYPE mood_of_case ADD VALUE 'happy' BEFORE 'sad';
-- step
UPDATE enum_value SET mood = 'happy' WHERE id < 50;
INSERT INTO enum_value VALUES (101, 'happy');
