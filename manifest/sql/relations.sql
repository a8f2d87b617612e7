-- One row per relation: schema, name, whether its size is missing, the JSON.
--
-- $1: false leaves out what takes a lock on the relation or on its indexes:
-- sizes, the text of defaults and of indexes. It is left out as well for
-- relations that pg_locks shows as exclusively locked, or the whole list
-- would wait for one ALTER TABLE. $2, $3: start after this schema and name.
--
-- The inner query sorts narrow rows; everything wide is looked up afterwards,
-- row by row, through the catalogues' indexes on the relation's oid. So the
-- first row comes at once and neither side holds more than one.
--
-- Opening 80,000 relations for their sizes is most of the time. A sequence is
-- always one page, so these need not be opened.
SELECT r.schema, r.name, r.size_bytes IS NULL, row_to_json(r)
FROM (
    SELECT c.nspname AS schema, c.relname AS name, pg_get_userbyid(c.relowner) AS owner,
        CASE c.relpersistence WHEN 'p' THEN 'permanent' WHEN 'u' THEN 'unlogged'
            WHEN 't' THEN 'temporary' ELSE c.relpersistence::text END AS persistence,
        CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned_table' WHEN 'f' THEN 'foreign_table'
            WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized_view' ELSE 'sequence' END AS kind,
        c.spcname AS tablespace,
        CASE WHEN c.relkind IN ('p', 'f', 'v') THEN 0
            WHEN c.relkind = 'S' THEN current_setting('block_size')::bigint
            WHEN c.readable THEN pg_total_relation_size(c.relid) END AS size_bytes,
        CASE WHEN c.relkind IN ('r', 'p', 'f', 'm') AND c.reltuples >= 0
            THEN c.reltuples::bigint END AS row_estimate,
        CASE WHEN c.relkind IN ('r', 'm') THEN pg_stat_get_live_tuples(c.relid) END AS live_row_estimate,
        cols.n AS column_count,
        coalesce(idx.has_primary, false) AS has_primary_key,
        c.relkind <> 'S' AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.relid AND NOT t.tgisinternal) AS has_triggers,
        c.relrowsecurity AS rls_enabled, c.relforcerowsecurity AS rls_forced,
        c.relispartition AS is_partition,
        CASE WHEN c.relispartition THEN (
            SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = c.relid ORDER BY i.inhseqno LIMIT 1
        ) END AS partition_parent,
        CASE WHEN c.relkind = 'p' THEN (
            SELECT CASE p.partstrat WHEN 'r' THEN 'range' WHEN 'l' THEN 'list' WHEN 'h' THEN 'hash'
                ELSE p.partstrat::text END
            FROM pg_partitioned_table p WHERE p.partrelid = c.relid
        ) END AS partition_strategy,
        coalesce(c.reloptions, '{}') AS storage_options,
        CASE WHEN c.relkind IN ('r', 'm') THEN greatest(pg_stat_get_last_vacuum_time(c.relid),
            pg_stat_get_last_autovacuum_time(c.relid)) END AS last_vacuum,
        CASE WHEN c.relkind IN ('r', 'm', 'p') THEN greatest(pg_stat_get_last_analyze_time(c.relid),
            pg_stat_get_last_autoanalyze_time(c.relid)) END AS last_analyze,
        coalesce(cols.list, '[]') AS columns,
        coalesce(cons.list, '[]') AS constraints,
        coalesce(idx.list, '[]') AS indexes
    FROM (
        SELECT c.*, n.nspname, s.spcname, c.oid AS relid, $1::boolean AND locked.relid IS NULL AS readable
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
        LEFT JOIN (
            SELECT DISTINCT coalesce(i.indrelid, l.relation) AS relid
            FROM pg_locks l
            LEFT JOIN pg_index i ON i.indexrelid = l.relation
            WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        ) locked ON locked.relid = c.oid
        WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
            AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND (n.nspname, c.relname) > ($2::text::name, $3::text::name)
        ORDER BY n.nspname, c.relname
        OFFSET 0
    ) c
    LEFT JOIN LATERAL (
        SELECT count(*) AS n, json_agg(row_to_json(a)) AS list
        FROM (
            SELECT a.attnum AS position, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
                NOT a.attnotnull AS nullable,
                CASE WHEN a.atthasdef AND c.readable THEN (
                    SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
                    WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum
                ) END AS default,
                CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by_default' END AS identity,
                CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END AS generated -- since 12
                NULL AS generated                                                                   -- before 12
            FROM pg_attribute a
            WHERE c.relkind <> 'S' AND a.attrelid = c.relid AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attnum
        ) a
    ) cols ON true
    LEFT JOIN LATERAL (
        SELECT json_agg(row_to_json(k)) AS list
        FROM (
            SELECT k.conname AS name,
                CASE k.contype WHEN 'p' THEN 'primary_key' WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign_key'
                    WHEN 'c' THEN 'check' WHEN 'x' THEN 'exclusion' WHEN 'n' THEN 'not_null'
                    WHEN 't' THEN 'trigger' ELSE k.contype::text END AS type,
                coalesce((
                    SELECT json_agg(a.attname ORDER BY u.ord)
                    FROM unnest(k.conkey) WITH ORDINALITY u (attnum, ord)
                    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum
                ), '[]') AS columns,
                CASE WHEN k.contype = 'f' THEN k.confrelid::regclass::text END AS references,
                k.convalidated AS is_validated
            FROM pg_constraint k
            WHERE c.relkind IN ('r', 'p', 'f') AND k.conrelid = c.relid
            ORDER BY k.conname
        ) k
    ) cons ON true
    LEFT JOIN LATERAL (
        SELECT json_agg(row_to_json(i)) AS list, bool_or(i.is_primary) AS has_primary
        FROM (
            SELECT x.relname AS name, m.amname AS method,
                CASE WHEN c.readable THEN pg_get_indexdef(i.indexrelid) END AS definition,
                i.indisunique AS is_unique, i.indisprimary AS is_primary, i.indisvalid AS is_valid,
                i.indpred IS NOT NULL AS is_partial, k.conname AS constraint_name
            FROM pg_index i
            JOIN pg_class x ON x.oid = i.indexrelid
            LEFT JOIN pg_am m ON m.oid = x.relam
            LEFT JOIN pg_constraint k ON k.conrelid = c.relid AND k.conindid = i.indexrelid
                AND k.contype IN ('p', 'u', 'x')
            WHERE c.relkind IN ('r', 'p', 'm') AND i.indrelid = c.relid
            ORDER BY x.relname
        ) i
    ) idx ON true
) r
