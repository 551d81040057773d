-- tables: public.refused_changelog_identity
-- mode: changelog
-- expect: refused
-- setup
CREATE TABLE refused_changelog_identity (at timestamptz, v text);
-- step
INSERT INTO refused_changelog_identity VALUES (now(), 'a');
