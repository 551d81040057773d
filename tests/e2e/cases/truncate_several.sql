-- tables: public.truncate_parent,public.truncate_child,public.truncate_alone
-- partitions: 3
-- expect: equal
-- setup
CREATE TABLE truncate_parent (id int PRIMARY KEY);
CREATE TABLE truncate_child (id int PRIMARY KEY, parent_id int REFERENCES truncate_parent, v text);
CREATE TABLE truncate_alone (id int PRIMARY KEY, v text);
INSERT INTO truncate_parent SELECT generate_series(1, 50);
INSERT INTO truncate_child SELECT n, 1 + n % 50, 'old' FROM generate_series(1, 200) n;
INSERT INTO truncate_alone SELECT n, 'old' FROM generate_series(1, 70) n;
-- step
TRUNCATE truncate_parent, truncate_alone CASCADE;
-- step
INSERT INTO truncate_parent VALUES (7), (500);
INSERT INTO truncate_child VALUES (1, 7, 'new');
-- step
INSERT INTO truncate_alone VALUES (1, 'new');
TRUNCATE truncate_child;
