-- Ordinary work of a database: tables, indexes, joins, sorts, triggers, views, text, JSON, blobs.
PRAGMA page_size = 4096;
PRAGMA cache_size = -20000;
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, born INTEGER, note BLOB);
CREATE TABLE deeds (person INTEGER REFERENCES people, day INTEGER, what TEXT, amount REAL);
CREATE TABLE audit (what TEXT, times INTEGER);
INSERT INTO audit VALUES ('deeds', 0);
CREATE TRIGGER counted AFTER INSERT ON deeds BEGIN UPDATE audit SET times = times + 1 WHERE what = 'deeds'; END;

BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO people SELECT i, 'name ' || (i * 7919 % 20011), 'city ' || (i % 97), 1900 + i % 120, zeroblob(i % 300) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
INSERT INTO deeds SELECT 1 + i * 31 % 20000, i % 365, 'deed ' || (i % 1013), (i * 17 % 10007) / 7.0 FROM n;
COMMIT;
CREATE INDEX people_by_city ON people (city, born);
CREATE UNIQUE INDEX people_by_name ON people (name);
CREATE INDEX deeds_by_person ON deeds (person, day);
CREATE INDEX deeds_of_note ON deeds (what) WHERE amount > 1000;
ANALYZE;

SELECT times FROM audit;
SELECT city, count(*), sum(length(note)) FROM people GROUP BY city ORDER BY city LIMIT 20;
SELECT people.name, count(*), round(sum(amount), 3) AS total
  FROM people JOIN deeds ON deeds.person = people.id WHERE born BETWEEN 1950 AND 1960
  GROUP BY people.id ORDER BY total DESC, people.name LIMIT 25;
SELECT what, group_concat(day, ',') FROM (SELECT * FROM deeds ORDER BY what, day, person) WHERE amount > 1400
  GROUP BY what ORDER BY what LIMIT 15;
SELECT name, rank() OVER (PARTITION BY city ORDER BY born, id) FROM people WHERE id % 500 = 0 ORDER BY id;
SELECT json_group_array(json_object('id', id, 'name', name)) FROM (SELECT id, name FROM people ORDER BY id LIMIT 200);
SELECT length(group_concat(name || printf('%05d', id))) FROM people;
SELECT sum(length(replace(hex(randomblob(1000)), '0', 'OO')) > 0) FROM deeds WHERE day < 20;

UPDATE people SET note = zeroblob(5000) WHERE id % 40 = 0;
DELETE FROM deeds WHERE day % 3 = 0;
SELECT count(*), sum(length(note)) FROM people;
SELECT count(*), round(total(amount), 3) FROM deeds;
CREATE VIEW rich AS SELECT person, sum(amount) AS total FROM deeds GROUP BY person HAVING total > 2000;
SELECT count(*) FROM rich;
BEGIN;
DELETE FROM people WHERE id % 2;
SELECT count(*) FROM people;
ROLLBACK;
SELECT count(*) FROM people;
VACUUM;
PRAGMA integrity_check;
SELECT 'all done';
