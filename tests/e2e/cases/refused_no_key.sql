-- tables: public.refused_no_key
-- expect: refused
-- setup
CREATE TABLE refused_no_key (id int, v text);
-- step
INSERT INTO refused_no_key VALUES (1, 'a');
