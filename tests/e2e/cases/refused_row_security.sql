-- tables: public.refused_row_security
-- expect: refused
-- setup
CREATE TABLE refused_row_security (id int PRIMARY KEY, owner text);
ALTER TABLE refused_row_security ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON refused_row_security USING (owner = current_user);
-- step
INSERT INTO refused_row_security VALUES (1, 'a');
