-- Kafka refuses a topic whose name differs from another one's only in `.` and `_`.
-- tables: public."alike a", public."alike.a"
-- expect: refused
-- setup
CREATE TABLE "alike a" (id int PRIMARY KEY);
CREATE TABLE "alike.a" (id int PRIMARY KEY);
