-- tables: public.by_case
-- expect: refused
-- setup
CREATE TABLE by_case (id int PRIMARY KEY, v text, "V" text);
