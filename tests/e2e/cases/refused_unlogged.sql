-- tables: public.refused_unlogged
-- expect: refused
-- setup
CREATE UNLOGGED TABLE refused_unlogged (id int PRIMARY KEY);
-- step
INSERT INTO refused_unlogged VALUES (1);
