-- A shop's data base: orders come in, are searched, summed, joined, corrected and thrown away.
PRAGMA journal_mode = MEMORY;
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, town TEXT, since INTEGER, notes TEXT);
CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT UNIQUE, price REAL, stock INTEGER);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, good INTEGER, day INTEGER, amount INTEGER);
CREATE INDEX orders_by_customer ON orders (customer, day);
CREATE TRIGGER sold AFTER INSERT ON orders BEGIN
  UPDATE goods SET stock = stock - NEW.amount WHERE id = NEW.good;
END;

BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
INSERT INTO customers SELECT i, 'customer ' || (i * 7919 % 30011), 'town ' || (i % 53), 1990 + i % 35,
  substr('a note that is as long as it happens to be, now and then longer', 1, 5 + i % 55) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
INSERT INTO goods SELECT i, 'good ' || i, (i * 104729 % 9973) / 100.0, 100000 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
INSERT INTO orders SELECT i, 1 + i * 31 % 30000, 1 + i * 17 % 400, i % 365, 1 + i % 7 FROM n;
COMMIT;

SELECT town, count(*), sum(amount * price) FROM orders
  JOIN customers ON customers.id = customer JOIN goods ON goods.id = good GROUP BY town ORDER BY 3 DESC;
SELECT name, upper(notes), replace(notes, 'note', 'remark'), printf('%08d', since) FROM customers WHERE id % 3 = 0;
SELECT json_group_object(name, json_array(id, price, stock)) FROM goods;
SELECT value, count(*) FROM customers, json_each('["' || replace(notes || ' ' || name, ' ', '","') || '"]') GROUP BY value;
SELECT name, sum(amount) OVER (PARTITION BY town ORDER BY day, orders.id) FROM orders
  JOIN customers ON customers.id = customer WHERE day < 120;
SELECT group_concat(name, '; ') FROM (SELECT DISTINCT town AS name FROM customers ORDER BY town);
SELECT count(*) FROM customers WHERE notes LIKE '%happens%' AND name GLOB 'customer [12]*';
UPDATE customers SET notes = notes || ' and ' || name WHERE id % 4 = 0;
DELETE FROM orders WHERE day % 5 = 0;
CREATE TABLE summary AS SELECT good, day / 30 AS month, sum(amount) AS amount FROM orders GROUP BY 1, 2;
SELECT month, max(amount), min(amount), avg(amount) FROM summary GROUP BY month;
SELECT a.good, b.good FROM summary a JOIN summary b ON a.month = b.month AND a.amount = b.amount AND a.good < b.good
  ORDER BY 1, 2 LIMIT 5000;
VACUUM;
PRAGMA integrity_check;
