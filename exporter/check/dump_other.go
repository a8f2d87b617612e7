//go:build !linux

package check

// unnamed makes a file of mode 0600 in a directory, which is gone when it is closed before link
// has given it a name.
func unnamed(dir string) (f outputFile, link func(path string) error, err error) {
	return temporary(dir)
}
