package proc

// Exited returns a channel that is closed when the process that Begin or Read started
// has ended, though some of its output may still wait to be read; nil if none was
// started.
func (s *Stream) Exited() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	return s.proc.done
}
