// Package rows is for loading rows into tables that are there: which of their triggers
// would fire (triggers.go), in which order foreign keys can be kept (order.go), which
// constraints are broken afterwards (check.go), and which views read them (views.go).
//
// It only asks, and changes nothing: what it returns are statements, for those who load.
package rows
