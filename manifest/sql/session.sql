-- What the collection's own sessions run with. Settings that this server does
-- not have are skipped. search_path was set before, so every name here is
-- pg_catalog's. $1: client encoding, $2: statement timeout, $3: lock timeout,
-- both in milliseconds.
SELECT current_setting('server_version_num'), count(set_config(s.name, v.value, false))::text
FROM (VALUES
    ('client_encoding', $1::text),
    ('statement_timeout', $2::text),
    ('lock_timeout', $3::text),
    ('default_transaction_read_only', 'on'),
    ('idle_in_transaction_session_timeout', '0'),
    ('idle_session_timeout', '0'),
    ('transaction_timeout', '0'),
    ('timezone', 'UTC'),
    ('quote_all_identifiers', 'off'),
    ('max_parallel_workers_per_gather', '0'),
    ('jit', 'off'),
    -- Plans must not depend on statistics of the catalogues: they may be from
    -- before the schema was loaded. Everything is read, through the indexes.
    ('cursor_tuple_fraction', '1'),
    ('enable_seqscan', 'off'),
    ('enable_bitmapscan', 'off')
) v (name, value)
JOIN pg_settings s ON lower(s.name) = v.name
