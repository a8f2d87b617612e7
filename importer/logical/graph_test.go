package logical

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGraph closes a selection of one table: its default needs a function, its foreign
// key another table, a column an extension's type.
func TestGraph(t *testing.T) {
	const classDefault, classFunction, classType = 2604, 1255, 1247
	relation := func(oid uint32) object { return object{classRelation, oid} }
	chosen, other, sequence := relation(1), relation(2), relation(3)
	function, extension, base := object{classFunction, 4}, object{classExtension, 5}, object{classExtension, 6}
	foreignKey, primaryKey := object{classConstraint, 10}, object{classConstraint, 11}
	index, value, member, otherType := relation(12), object{classDefault, 13}, object{classType, 14}, object{classType, 15}
	g := newGraph([]dependency{
		{chosen, object{classNamespace, 2200}, 'n'},
		{value, chosen, 'a'}, {value, function, 'n'}, {value, sequence, 'n'},
		{sequence, chosen, 'a'},
		{foreignKey, chosen, 'a'}, {foreignKey, other, 'n'}, {foreignKey, index, 'n'},
		{index, primaryKey, 'i'}, {primaryKey, other, 'a'}, {other, otherType, 'n'},
		{chosen, member, 'n'}, {member, extension, 'e'}, {extension, base, 'n'},
	}, map[uint32]rune{1: 'r', 2: 'r', 3: 'S', 12: 'i'})
	extensions, left := g.close(func(o object) bool { return o == chosen })
	if diff := cmp.Diff([]object{extension, base}, extensions, cmp.AllowUnexported(object{})); diff != "" {
		t.Errorf("extensions: -want +got\n%s", diff)
	}
	// What the other table needs is not, as the foreign key can do without it.
	if diff := cmp.Diff([]missing{{function, chosen}, {other, chosen}}, left, cmp.AllowUnexported(object{}, missing{})); diff != "" {
		t.Errorf("missing: -want +got\n%s", diff)
	}
	if g.root(index) != other || g.root(sequence) != chosen {
		t.Errorf("the index belongs to %v, the sequence to %v", g.root(index), g.root(sequence))
	}
}
