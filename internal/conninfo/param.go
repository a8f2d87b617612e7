package conninfo

// param is what is known of a libpq connection parameter.
type param struct {
	env         string // environment variable that carries it to the tools; "" if none
	pgx         bool   // pgx understands it in a connection string
	unsupported string // why it cannot be used; "" if it can
}

const (
	onlyArgv = "the client tools accept it only on their command line, where everyone could read it"
	onlyTool = "the connection that reads the catalogues cannot honour it"
	notOurs  = "it does not apply to a backup or restore"
)

// params are libpq's connection parameters, by keyword.
// Source: https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS
// and LIBPQ-ENVARS.
var params = map[string]param{
	"host":                      {env: "PGHOST", pgx: true},
	"hostaddr":                  {env: "PGHOSTADDR"},
	"port":                      {env: "PGPORT", pgx: true},
	"dbname":                    {env: "PGDATABASE", pgx: true},
	"user":                      {env: "PGUSER", pgx: true},
	"password":                  {env: "PGPASSWORD", pgx: true},
	"passfile":                  {env: "PGPASSFILE", pgx: true},
	"require_auth":              {env: "PGREQUIREAUTH", pgx: true},
	"channel_binding":           {env: "PGCHANNELBINDING", pgx: true},
	"connect_timeout":           {env: "PGCONNECT_TIMEOUT", pgx: true},
	"client_encoding":           {env: "PGCLIENTENCODING"},
	"options":                   {env: "PGOPTIONS", pgx: true},
	"application_name":          {env: "PGAPPNAME", pgx: true},
	"fallback_application_name": {},
	"keepalives":                {},
	"keepalives_idle":           {},
	"keepalives_interval":       {},
	"keepalives_count":          {},
	"tcp_user_timeout":          {},
	"sslmode":                   {env: "PGSSLMODE", pgx: true},
	"sslnegotiation":            {env: "PGSSLNEGOTIATION", pgx: true},
	"sslcompression":            {env: "PGSSLCOMPRESSION"},
	"sslcert":                   {env: "PGSSLCERT", pgx: true},
	"sslkey":                    {env: "PGSSLKEY", pgx: true},
	"sslrootcert":               {env: "PGSSLROOTCERT", pgx: true},
	"sslcertmode":               {env: "PGSSLCERTMODE", pgx: true},
	"sslsni":                    {env: "PGSSLSNI", pgx: true},
	"ssl_min_protocol_version":  {env: "PGSSLMINPROTOCOLVERSION"},
	"ssl_max_protocol_version":  {env: "PGSSLMAXPROTOCOLVERSION"},
	"min_protocol_version":      {env: "PGMINPROTOCOLVERSION", pgx: true},
	"max_protocol_version":      {env: "PGMAXPROTOCOLVERSION", pgx: true},
	"target_session_attrs":      {env: "PGTARGETSESSIONATTRS", pgx: true},
	"load_balance_hosts":        {env: "PGLOADBALANCEHOSTS"},
	"krbsrvname":                {env: "PGKRBSRVNAME", pgx: true},
	"gssencmode":                {env: "PGGSSENCMODE"},
	"service":                   {env: "PGSERVICE"},
	"servicefile":               {env: "PGSERVICEFILE"},

	"sslpassword":         {env: "PGSSLPASSWORD", unsupported: onlyArgv},
	"sslcrl":              {env: "PGSSLCRL", unsupported: onlyTool},
	"sslcrldir":           {env: "PGSSLCRLDIR", unsupported: onlyTool},
	"sslkeylogfile":       {unsupported: onlyTool},
	"requirepeer":         {env: "PGREQUIREPEER", unsupported: onlyTool},
	"gsslib":              {env: "PGGSSLIB", unsupported: onlyTool},
	"gssdelegation":       {env: "PGGSSDELEGATION", unsupported: onlyTool},
	"scram_client_key":    {unsupported: onlyArgv},
	"scram_server_key":    {unsupported: onlyArgv},
	"oauth_issuer":        {unsupported: onlyTool},
	"oauth_client_id":     {unsupported: onlyTool},
	"oauth_client_secret": {unsupported: onlyArgv},
	"oauth_scope":         {unsupported: onlyTool},
	"replication":         {unsupported: notOurs},
}
