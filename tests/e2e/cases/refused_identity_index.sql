-- tables: public.refused_identity_index
-- expect: refused
-- setup
CREATE TABLE refused_identity_index (id int PRIMARY KEY, other int NOT NULL UNIQUE);
ALTER TABLE refused_identity_index REPLICA IDENTITY USING INDEX refused_identity_index_other_key;
-- step
INSERT INTO refused_identity_index VALUES (1, 2);
