-- tables: public.refused_inherited
-- expect: refused
-- setup
CREATE TABLE refused_inherited (id int PRIMARY KEY);
CREATE TABLE refused_inherited_child (PRIMARY KEY (id)) INHERITS (refused_inherited);
-- step
INSERT INTO refused_inherited VALUES (1);
