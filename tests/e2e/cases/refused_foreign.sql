-- tables: public.refused_foreign
-- expect: refused
-- setup
CREATE EXTENSION file_fdw;
CREATE SERVER refused_files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE refused_foreign (line text) SERVER refused_files OPTIONS (filename '/etc/hostname');
-- step
SELECT 1;
