-- Apart from server.sql: execution may have been revoked.
SELECT system_identifier::text FROM pg_control_system()
