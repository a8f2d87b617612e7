-- A small shop, the same rows every time.
CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped', 'returned');

CREATE TABLE customers (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE,
    city text NOT NULL,
    joined date NOT NULL
);

CREATE TABLE products (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    price numeric(8, 2) NOT NULL CHECK (price > 0),
    details jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customers,
    status order_status NOT NULL DEFAULT 'new',
    placed timestamptz NOT NULL
);

CREATE TABLE order_lines (
    order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    product_id int NOT NULL REFERENCES products,
    quantity int NOT NULL CHECK (quantity > 0),
    price numeric(8, 2) NOT NULL,
    PRIMARY KEY (order_id, product_id)
);

INSERT INTO customers (name, email, city, joined)
SELECT first || ' ' || last, lower(first) || '.' || lower(last) || n || '@example.com',
    (ARRAY['Lyon', 'Porto', 'Kraków', 'Malmö', 'Zürich', 'Galway', 'Genova', 'Brno'])[1 + n % 8],
    date '2019-01-01' + (n * 37) % 2000
FROM generate_series(1, 1500) n,
    LATERAL (SELECT
        (ARRAY['Anna', 'Björn', 'Chloé', 'David', 'Elif', 'Farid', 'Grace', 'Hugo', 'Inês', 'Jonas', 'Kira'])[1 + n % 11] AS first,
        (ARRAY['Moreau', 'Novák', 'Silva', 'Kowalski', 'Lindqvist', 'Rossi', 'Keller', 'Byrne', 'Yılmaz'])[1 + n % 9] AS last) names;

INSERT INTO products (name, price, details)
SELECT adjective || ' ' || thing || ' no. ' || n, 3 + (n * 7919 % 20000) / 100.0,
    jsonb_build_object('weight_g', 50 + n * 13 % 4000, 'colours', ARRAY['red', 'blue', 'natural']::text[], 'stock', n * 31 % 400)
FROM generate_series(1, 300) n,
    LATERAL (SELECT
        (ARRAY['Oak', 'Linen', 'Copper', 'Woollen', 'Glass', 'Enamel', 'Cork'])[1 + n % 7] AS adjective,
        (ARRAY['bowl', 'lamp', 'blanket', 'kettle', 'chair', 'mug', 'basket', 'board'])[1 + n % 8] AS thing) names;

INSERT INTO orders (customer_id, status, placed)
SELECT 1 + (n * 7907) % 1500, (ARRAY['paid', 'shipped', 'shipped', 'new', 'returned']::order_status[])[1 + n % 5],
    timestamptz '2023-01-01 08:00:00+00' + n * interval '97 minutes'
FROM generate_series(1, 6000) n;

INSERT INTO order_lines
SELECT o.id, p.id, 1 + (o.id + p.id) % 4, p.price
FROM orders o, generate_series(0, 2) k, products p
WHERE p.id = 1 + (o.id * 31 + k * 101) % 300;

CREATE INDEX ON orders (customer_id);
CREATE INDEX ON orders (placed);
CREATE VIEW revenue AS
    SELECT date_trunc('month', placed) AS month, sum(quantity * price) AS total
    FROM orders JOIN order_lines ON order_id = orders.id
    WHERE status <> 'returned' GROUP BY 1;
CREATE MATERIALIZED VIEW best_sellers AS
    SELECT product_id, sum(quantity) AS sold FROM order_lines GROUP BY product_id ORDER BY sold DESC, product_id LIMIT 20;
COMMENT ON TABLE orders IS 'one row per order; the lines are in order_lines';
