package harness

// Option changes a server before it starts.
type Option func(*settings)

type settings struct {
	major    int
	conf     []string
	hba      []string
	initdb   []string
	tls      bool
	tlsHosts []string
	password string
	fresh    bool
}

// Major asks for one major version instead of the default one.
func Major(n int) Option { return func(s *settings) { s.major = n } }

// Conf adds lines to postgresql.conf; they override the harness' own.
func Conf(lines ...string) Option {
	return func(s *settings) { s.conf = append(s.conf, lines...) }
}

// HBA puts lines before the harness' own in pg_hba.conf. Those let everybody
// in through the socket and ask for a SCRAM password over TCP.
func HBA(lines ...string) Option {
	return func(s *settings) { s.hba = append(s.hba, lines...) }
}

// InitdbArgs adds arguments to initdb, for example "--data-checksums".
func InitdbArgs(args ...string) Option {
	return func(s *settings) { s.initdb = append(s.initdb, args...) }
}

// Fresh runs initdb for this server alone. Servers are copies of one template
// otherwise, and have the same system identifier.
func Fresh() Option { return func(s *settings) { s.fresh = true } }

// Password sets another password for the superuser than DefaultPassword.
func Password(password string) Option {
	return func(s *settings) { s.password = password }
}

// TLS turns TLS on, with a certificate that is valid for the given host
// names and addresses: localhost and 127.0.0.1 when there are none. The files
// for clients are in Server.Certs.
func TLS(hosts ...string) Option {
	return func(s *settings) {
		s.tls = true
		s.tlsHosts = hosts
		if len(hosts) == 0 {
			s.tlsHosts = []string{"localhost", "127.0.0.1"}
		}
	}
}
