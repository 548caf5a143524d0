package resources

import (
	"fmt"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
)

// Account is the view of AWS::Account: what belongs to the account as a whole.
type Account struct {
	ID                 string    `json:"id" ref:"id"`
	RootAccessKeys     int       `json:"rootAccessKeys" from:"Summary"`
	RootMFA            bool      `json:"rootMfa" from:"Summary"`
	RootPasswordUsed   time.Time `json:"rootPasswordUsed" from:"RootCredentials"` // zero if never
	RootKeyUsed        time.Time `json:"rootKeyUsed" from:"RootCredentials"`      // the later of both keys; zero if never
	Block              Block     `json:"block" from:"PublicAccessBlock"`
	HasPasswordPolicy  bool      `json:"hasPasswordPolicy" from:"PasswordPolicy"`
	PasswordMinLength  int       `json:"passwordMinLength" from:"PasswordPolicy"`
	PasswordMaxAgeDays int       `json:"passwordMaxAgeDays" from:"PasswordPolicy"` // 0: never expires
	PasswordReuse      int       `json:"passwordReuse" from:"PasswordPolicy"`
	PasswordClasses    int       `json:"passwordClasses" from:"PasswordPolicy"` // how many of the four classes are required
}

// accountBlockEvents set Block Public Access for the whole account. The API is
// S3 Control's, yet CloudTrail writes s3.amazonaws.com as their source and
// "Account" into the name. Source: Amazon S3 User Guide, "Amazon S3 CloudTrail
// events", account-level actions.
var accountBlockEvents = []string{"PutAccountPublicAccessBlock", "DeleteAccountPublicAccessBlock"}

func account() Type {
	return Type{
		Name: "AWS::Account", Title: "AWS account", Global: true, Home: true,
		ARN:     "arn:{partition}:iam::{account}:root",
		Members: []string{"Summary", "PasswordPolicy", "PublicAccessBlock", "RootCredentials"},
		Events: []Rule{
			{Source: iamEvents, Names: []string{"UpdateAccountPasswordPolicy", "DeleteAccountPasswordPolicy"}, Self: true},
			{Source: s3Events, Names: accountBlockEvents, Self: true},
			// Whatever root does is use of root: a sign-in, a key, a password, an MFA
			// device of its own.
			{Only: map[string]string{"userIdentity.type": "Root"}, Self: true},
		},
		Actions: []Action{
			{Name: "iam:GetAccountSummary", Member: "Summary"},
			{Name: "iam:GetAccountPasswordPolicy", Member: "PasswordPolicy"},
			{Name: "s3:GetAccountPublicAccessBlock", Member: "PublicAccessBlock"},
			{Name: "iam:GenerateCredentialReport", Member: "RootCredentials"},
			{Name: "iam:GetCredentialReport", Member: "RootCredentials"},
		},
		Sample: &Account{},
		Decode: decoder(fillAccount),
	}
}

type accountDocument struct {
	Missing []qrie.Missing `json:"missing"`
	Summary struct {
		AccountAccessKeysPresent int
		AccountMFAEnabled        int
	}
	PasswordPolicy *struct {
		MinimumPasswordLength                                                                  int
		ExpirePasswords                                                                        bool
		MaxPasswordAge                                                                         int
		PasswordReusePrevention                                                                int
		RequireSymbols, RequireNumbers, RequireUppercaseCharacters, RequireLowercaseCharacters bool
	}
	PublicAccessBlock publicAccessBlock
	RootCredentials   reportRow
}

func fillAccount(d *accountDocument, v *Account, view *View) error {
	v.RootAccessKeys = d.Summary.AccountAccessKeysPresent
	v.RootMFA = d.Summary.AccountMFAEnabled > 0
	var err error
	if v.RootPasswordUsed, err = d.RootCredentials.time("password_last_used"); err != nil {
		return err
	}
	if v.RootKeyUsed, err = d.RootCredentials.time("access_key_1_last_used_date"); err != nil {
		return err
	}
	second, err := d.RootCredentials.time("access_key_2_last_used_date")
	if err != nil {
		return err
	}
	if second.After(v.RootKeyUsed) {
		v.RootKeyUsed = second
	}
	v.Block = d.PublicAccessBlock.view()
	if p := d.PasswordPolicy; p != nil {
		v.HasPasswordPolicy = true
		v.PasswordMinLength, v.PasswordReuse = p.MinimumPasswordLength, p.PasswordReusePrevention
		if p.ExpirePasswords {
			v.PasswordMaxAgeDays = p.MaxPasswordAge
		}
		for _, required := range []bool{p.RequireSymbols, p.RequireNumbers, p.RequireUppercaseCharacters, p.RequireLowercaseCharacters} {
			if required {
				v.PasswordClasses++
			}
		}
	}
	view.ARN = d.RootCredentials["arn"]
	if parts := strings.Split(view.ARN, ":"); len(parts) == 6 && qrie.ValidAccountID(parts[4]) {
		v.ID = parts[4]
	}
	view.Missing, view.Name = d.Missing, v.ID
	return nil
}

// reportRow is one row of the credential report by column.
type reportRow map[string]string

// time reads a time of the report, in which three words stand for "there is
// none". Source: IAM User Guide, "Get credential reports for your account".
func (r reportRow) time(column string) (time.Time, error) {
	switch r[column] {
	case "", "N/A", "no_information", "not_supported":
		return time.Time{}, nil
	}
	t, err := timeOf("RootCredentials."+column, r[column])
	if err != nil {
		return time.Time{}, fmt.Errorf("%w, nor N/A, no_information or not_supported", err)
	}
	return t, nil
}
