package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/qrie-sec/qrie"
)

// readAccounts reads the file of --accounts:
//
//	accounts:
//	  - id: "111122223333"
//	    name: prod-payments
//	    ou: /Workloads/Prod
//	    tags: {env: prod}
//	    regions: [eu-west-1, us-east-1]
//	    role_arn: arn:aws:iam::111122223333:role/qrie-read
//	    external_id: ...
func readAccounts(path string) ([]qrie.Account, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	var file struct {
		Accounts []qrie.Account `yaml:"accounts"`
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	seen := map[string]bool{}
	for i, a := range file.Accounts {
		where := fmt.Sprintf("%s: account %d", path, i+1)
		switch {
		case !qrie.ValidAccountID(a.ID):
			return nil, fmt.Errorf("%s: id %q is not twelve digits; write it in quotes, so that YAML keeps leading zeros", where, a.ID)
		case seen[a.ID]:
			return nil, fmt.Errorf("%s: id %s is there twice", where, a.ID)
		case len(a.Regions) == 0:
			return nil, fmt.Errorf("%s: name the Regions to watch, such as regions: [us-east-1]", where)
		case a.OU != "" && !strings.HasPrefix(a.OU, "/"):
			return nil, fmt.Errorf("%s: ou %q is a path that begins with /", where, a.OU)
		}
		seen[a.ID] = true
		if a.Name == "" {
			file.Accounts[i].Name = a.ID
		}
	}
	return file.Accounts, nil
}
