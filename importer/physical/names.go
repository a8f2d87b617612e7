package physical

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
)

// nameLog keeps names, compressed, for a message that has to give some of them.
type nameLog struct {
	text   bytes.Buffer
	writer *flate.Writer
}

func (l *nameLog) add(name string) error {
	if l.writer == nil {
		var err error
		if l.writer, err = flate.NewWriter(&l.text, flate.BestSpeed); err != nil {
			return err
		}
	}
	_, err := io.WriteString(l.writer, name+"\x00") // which no name holds
	return err
}

// each passes all names to use, in order. No name can be added after that.
func (l *nameLog) each(use func(name string)) error {
	if l.writer == nil {
		return nil
	}
	if err := l.writer.Close(); err != nil {
		return fmt.Errorf("the names of the files: %w", err)
	}
	r := bufio.NewReader(flate.NewReader(bytes.NewReader(l.text.Bytes())))
	for {
		name, err := r.ReadString(0)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the names of the files: %w", err)
		}
		use(name[:len(name)-1])
	}
}
