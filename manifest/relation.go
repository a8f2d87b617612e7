package manifest

import "time"

// Relation is a table, partitioned or foreign table, view, materialized view or
// sequence. Temporary ones and those of system schemas are left out, those of
// extensions are not.
type Relation struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Owner  string `json:"owner"`
	// Persistence is "permanent" or "unlogged".
	Persistence string `json:"persistence"`
	// Kind is "table", "partitioned_table", "foreign_table", "view",
	// "materialized_view" or "sequence".
	Kind string `json:"kind"`
	// Tablespace is nil for the database's default.
	Tablespace *string `json:"tablespace"`
	// SizeBytes includes TOAST and indexes; 0 for kinds without storage, nil when
	// the relation was locked by another session: then the defaults of columns and
	// the definitions of indexes are nil as well.
	SizeBytes *int64 `json:"size_bytes"`
	// RowEstimate is the planner's, from the last VACUUM or ANALYZE; nil when
	// there was none (before PostgreSQL 14 that is 0) and for views and sequences.
	RowEstimate *int64 `json:"row_estimate"`
	// LiveRowEstimate is the statistics system's; 0 on a standby, nil for
	// relations without rows of their own.
	LiveRowEstimate   *int64  `json:"live_row_estimate"`
	ColumnCount       int     `json:"column_count"`
	HasPrimaryKey     bool    `json:"has_primary_key"`
	HasTriggers       bool    `json:"has_triggers"` // internal ones (foreign keys) do not count
	RLSEnabled        bool    `json:"rls_enabled"`
	RLSForced         bool    `json:"rls_forced"`
	IsPartition       bool    `json:"is_partition"`
	PartitionParent   *string `json:"partition_parent"`   // qualified and quoted as in SQL
	PartitionStrategy *string `json:"partition_strategy"` // "range", "list" or "hash"
	// StorageOptions are written as in the catalogue: "fillfactor=70".
	StorageOptions []string `json:"storage_options"`
	// LastVacuum and LastAnalyze are the later of the manual and the automatic one.
	LastVacuum  *time.Time `json:"last_vacuum"`
	LastAnalyze *time.Time `json:"last_analyze"`
	// Columns is empty for sequences, whose three columns are always the same.
	Columns     []Column     `json:"columns"`
	Constraints []Constraint `json:"constraints"`
	Indexes     []Index      `json:"indexes"`
}

// Column is a column of a relation.
type Column struct {
	// Position is the attribute number; dropped columns leave gaps.
	Position int    `json:"position"`
	Name     string `json:"name"`
	Type     string `json:"type"` // qualified unless it is in pg_catalog
	Nullable bool   `json:"nullable"`
	// Default is the expression, that of a generated column included.
	Default   *string `json:"default"`
	Identity  *string `json:"identity"`  // "always" or "by_default"
	Generated *string `json:"generated"` // "stored" or "virtual"
}

// Constraint is a constraint of a table.
type Constraint struct {
	Name string `json:"name"`
	// Type is "primary_key", "unique", "foreign_key", "check", "exclusion",
	// "not_null" (PostgreSQL 18) or "trigger".
	Type    string   `json:"type"`
	Columns []string `json:"columns"`
	// References is the table that a foreign key points to.
	References  *string `json:"references"`
	IsValidated bool    `json:"is_validated"`
}

// Index is an index of a table or materialized view.
type Index struct {
	Name       string  `json:"name"`
	Method     *string `json:"method"`
	Definition *string `json:"definition"`
	IsUnique   bool    `json:"is_unique"`
	IsPrimary  bool    `json:"is_primary"`
	IsValid    bool    `json:"is_valid"`
	IsPartial  bool    `json:"is_partial"`
	// ConstraintName is that of the constraint that the index implements.
	ConstraintName *string `json:"constraint_name"`
}
