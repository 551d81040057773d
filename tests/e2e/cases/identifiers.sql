-- tables: public."Select",public."a.b c",weiß."表",public."Case",public.case
-- expect: equal
-- setup
CREATE SCHEMA weiß;
CREATE TABLE "Select" ("Order" int PRIMARY KEY, "quote""d" text, "back`tick" text, "per%cent" text, "q?" text);
CREATE TABLE "a.b c" (id int, "ID2" int, PRIMARY KEY (id, "ID2"));
CREATE TABLE weiß."表" ("鍵" text PRIMARY KEY, "値" text);
CREATE TABLE "Case" (id int PRIMARY KEY, "V" text, w text);
CREATE TABLE "case" (id int PRIMARY KEY, v text, "W" text);
INSERT INTO "Case" VALUES (1, 'upper', 'lower');
INSERT INTO "case" VALUES (1, 'UPPER', 'LOWER'), (2, NULL, '');
INSERT INTO "Select" VALUES (1, '"', '`', '%s %(x)s', '?'), (2, NULL, NULL, NULL, NULL);
INSERT INTO "a.b c" VALUES (1, 1), (1, 2);
INSERT INTO weiß."表" VALUES ('一', 'x''y\z'), (E'tab\tnew\nline', NULL);
-- step
UPDATE "Select" SET "quote""d" = 'a"b''c\d', "per%cent" = '100%' WHERE "Order" = 1;
DELETE FROM "a.b c" WHERE "ID2" = 1;
UPDATE "Case" SET "V" = w WHERE id = 1;
DELETE FROM "case" WHERE id = 1;
-- step
UPDATE weiß."表" SET "鍵" = '二' WHERE "鍵" = '一';
INSERT INTO "Select" VALUES (3, '', '\', E'\u2028', '😀');
