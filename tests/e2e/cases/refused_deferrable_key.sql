-- tables: public.refused_deferrable_key
-- expect: refused
-- setup
CREATE TABLE refused_deferrable_key (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
-- step
INSERT INTO refused_deferrable_key VALUES (1);
