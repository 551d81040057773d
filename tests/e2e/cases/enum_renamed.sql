-- No event tells that old rows have another text.
-- tables: public.enum_renamed,public.composite_grown
-- expect: parked
-- setup
CREATE TYPE mood_renamed AS ENUM ('sad', 'ok');
CREATE TYPE pair_grown AS (n int, v text);
CREATE TABLE enum_renamed (id int PRIMARY KEY, mood mood_renamed NOT NULL, moods mood_renamed[]);
CREATE TABLE composite_grown (id int PRIMARY KEY, pair pair_grown);
INSERT INTO enum_renamed SELECT n, 'ok', '{ok,sad}' FROM generate_series(1, 50) n;
INSERT INTO composite_grown SELECT n, (n, 'x')::pair_grown FROM generate_series(1, 50) n;
-- step
UPDATE enum_renamed SET mood = 'sad' WHERE id < 10;
UPDATE composite_grown SET pair = (0, 'y') WHERE id < 10;
-- step
ALTER TYPE mood_renamed RENAME VALUE 'ok' TO 'fine';
ALTER TYPE pair_grown ADD ATTRIBUTE at date;
-- step
UPDATE enum_renamed SET mood = 'fine' WHERE id < 5;
UPDATE composite_grown SET pair = (0, 'z', '2026-01-01') WHERE id < 5;
