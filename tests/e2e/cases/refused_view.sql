-- tables: public.refused_view
-- expect: refused
-- setup
CREATE TABLE refused_view_base (id int PRIMARY KEY);
CREATE VIEW refused_view AS SELECT * FROM refused_view_base;
-- step
INSERT INTO refused_view_base VALUES (1);
