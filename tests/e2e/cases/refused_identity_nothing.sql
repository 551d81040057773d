-- tables: public.refused_identity_nothing
-- expect: refused
-- setup
CREATE TABLE refused_identity_nothing (id int PRIMARY KEY);
ALTER TABLE refused_identity_nothing REPLICA IDENTITY NOTHING;
-- step
INSERT INTO refused_identity_nothing VALUES (1);
