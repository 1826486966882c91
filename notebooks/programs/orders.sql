-- A database in memory: filled with $rows orders, indexed, joined, thinned out and filled again.
CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, note TEXT);
CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT);
WITH RECURSIVE row(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM row WHERE n < $rows / 12)
INSERT INTO customers SELECT n, printf('customer %d of %s', n, hex(n * 7919 % 99991)) FROM row;
WITH RECURSIVE row(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM row WHERE n < $rows)
INSERT INTO orders SELECT n, n * 7919 % ($rows / 12), n * 31 % 1000 / 10.0, substr(hex(n * 104729 % 999983) || 'a note of some length', 1, 8 + n % 20) FROM row;
CREATE INDEX by_customer ON orders(customer);
SELECT count(*), sum(amount) FROM (SELECT name, sum(amount) AS amount FROM orders JOIN customers ON customers.id = customer GROUP BY name ORDER BY amount DESC);
DELETE FROM orders WHERE id % 3 <> 0;
INSERT INTO orders SELECT id + 1000000, customer, amount * 2, note || ' again' FROM orders;
SELECT customer, group_concat(note) AS notes FROM orders GROUP BY customer ORDER BY length(notes) DESC, customer LIMIT 3;
