-- A data base in memory: tables are filled, indexed, joined, corrected and searched.
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, town TEXT, notes TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, good TEXT, day INTEGER, amount INTEGER);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO customers SELECT i, 'customer ' || (i * 7919 % 60013), 'town ' || (i % 97),
  substr('a note that is as long as it happens to be, now and then longer than that', 1, 5 + i % 65) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250000)
INSERT INTO orders SELECT i, 1 + i * 31 % 60000, 'good ' || (i * 104729 % 997), i % 365, 1 + i % 7 FROM n;
COMMIT;
CREATE INDEX orders_by_customer ON orders (customer, day);
CREATE INDEX orders_by_good ON orders (good);
CREATE TABLE found (text TEXT);
INSERT INTO found SELECT town || sum(amount) FROM orders JOIN customers ON customers.id = customer GROUP BY town;
INSERT INTO found SELECT upper(notes) || replace(name, 'customer', 'buyer') FROM customers WHERE id % 3 = 0;
INSERT INTO found SELECT good || count(*) || group_concat(amount, '.') FROM orders WHERE day < 120 GROUP BY good;
UPDATE customers SET notes = notes || ' and ' || name WHERE id % 4 = 0;
DELETE FROM orders WHERE day % 5 = 0;
INSERT INTO found SELECT name || max(day) FROM customers JOIN orders ON customers.id = customer
  WHERE notes LIKE '%happens%' GROUP BY customers.id ORDER BY notes;
SELECT count(*), sum(length(text)), max(text) FROM found;
