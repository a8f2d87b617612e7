package options

import (
	"errors"
	"regexp"
)

// ImportAWS holds the options of a logical backup of an RDS or Aurora server.
type ImportAWS struct {
	// rdsadmin is the provider's own database, which lets nobody in.
	Import `refuse:"password=an IAM token takes its place" default:"exclude_databases=rdsadmin" unset:"ssl_mode=require"`
	Region string `option:"region" required:"true" doc:"AWS region of the server, like eu-west-1"`
}

// ExportAWS holds the options of a logical restore to an RDS or Aurora server.
type ExportAWS struct {
	Export `refuse:"password=an IAM token takes its place" unset:"ssl_mode=require"`
	Region string `option:"region" required:"true" doc:"AWS region of the server, like eu-west-1"`
}

// DecodeImportAWS reads the settings of a logical importer with IAM tokens.
func DecodeImportAWS(settings map[string]string) (ImportAWS, error) {
	var o ImportAWS
	if err := decode(settings, &o); err != nil {
		return ImportAWS{}, err
	}
	err := errors.Join(o.complete(), checkRegion(o.Region))
	return o, err
}

// DecodeExportAWS reads the settings of a logical exporter with IAM tokens.
func DecodeExportAWS(settings map[string]string) (ExportAWS, error) {
	var o ExportAWS
	if err := decode(settings, &o); err != nil {
		return ExportAWS{}, err
	}
	err := errors.Join(o.complete(), checkRegion(o.Region))
	return o, err
}

// region is the form of all regions' names. An availability zone ends in a letter.
var region = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-[0-9]+$`)

func checkRegion(name string) error {
	if region.MatchString(name) {
		return nil
	}
	return invalidValue(Field{Name: "region"}, name, `the name of a region, like "eu-west-1"`)
}
