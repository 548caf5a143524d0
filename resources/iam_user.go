package resources

import (
	"encoding/json"
	"time"

	"github.com/qrie-sec/qrie"
)

// IAMUser is the view of AWS::IAM::User.
type IAMUser struct {
	Name             string            `json:"name" ref:"id"`
	Path             string            `json:"path" from:"User"`
	CreatedAt        time.Time         `json:"createdAt" from:"User"`
	PasswordLastUsed time.Time         `json:"passwordLastUsed" from:"User"` // zero if never
	HasPassword      bool              `json:"hasPassword" from:"LoginProfile"`
	MFADevices       []MFADevice       `json:"mfaDevices" from:"MFADevices"`
	AccessKeys       []AccessKey       `json:"accessKeys" from:"AccessKeys"`
	Attached         []AttachedPolicy  `json:"attached" from:"AttachedPolicies"`
	Inline           []InlinePolicy    `json:"inline" from:"InlinePolicies"`
	Groups           []string          `json:"groups" from:"Groups"`
	Tags             map[string]string `json:"tags" from:"User"`
}

// MFADevice is one multi-factor device of a user.
type MFADevice struct {
	Serial string `json:"serial"`
	At     string `json:"at"` // /MFADevices/0
}

// AccessKey is one access key of a user, without its secret.
type AccessKey struct {
	ID        string    `json:"id"`
	Active    bool      `json:"active"`
	CreatedAt time.Time `json:"createdAt"`
	LastUsed  time.Time `json:"lastUsed"` // zero if never
	At        string    `json:"at"`       // /AccessKeys/0
}

// AttachedPolicy is a managed policy attached to a principal.
type AttachedPolicy struct {
	Name string `json:"name"`
	ARN  string `json:"arn"`
	At   string `json:"at"` // /AttachedPolicies/0
}

// InlinePolicy is a policy embedded in a principal.
type InlinePolicy struct {
	Name     string `json:"name"`
	Document string `json:"document"` // JSON text
	At       string `json:"at"`       // /InlinePolicies/0/PolicyDocument
}

const iamEvents = "iam.amazonaws.com"

func iamUser() Type {
	return Type{
		Name: "AWS::IAM::User", Title: "IAM user", Global: true, Home: true,
		ARN:     "", // holds the path, which no event names: GetUser tells it
		Members: []string{"User", "LoginProfile", "MFADevices", "AccessKeys", "AttachedPolicies", "InlinePolicies", "Groups"},
		Events: []Rule{
			{
				// DeleteVirtualMFADevice names only a serial number, and is no event of
				// a user: a device must be deactivated before it can be deleted. Source:
				// IAM API Reference, DeleteVirtualMFADevice.
				Source: iamEvents,
				Names: []string{
					"CreateUser", "DeleteUser", "UpdateUser", "TagUser", "UntagUser",
					"AddUserToGroup", "RemoveUserFromGroup",
					"AttachUserPolicy", "DetachUserPolicy", "PutUserPolicy", "DeleteUserPolicy",
					"PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary",
					"EnableMFADevice", "DeactivateMFADevice", "ResyncMFADevice",
				},
				IDs: []string{"requestParameters.userName"},
			},
			{
				// userName may be left out of these: AWS then takes the caller. Source:
				// IAM API Reference, CreateAccessKey and CreateLoginProfile.
				Source: iamEvents,
				Names: []string{
					"CreateLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile", "ChangePassword",
					"CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey",
					"UploadSSHPublicKey", "UpdateSSHPublicKey", "DeleteSSHPublicKey",
					"UploadSigningCertificate", "UpdateSigningCertificate", "DeleteSigningCertificate",
					"CreateServiceSpecificCredential", "UpdateServiceSpecificCredential",
					"ResetServiceSpecificCredential", "DeleteServiceSpecificCredential",
				},
				IDs: []string{
					"requestParameters.userName",
					"responseElements.accessKey.userName", "responseElements.loginProfile.userName",
				},
				Caller: true,
			},
			// A rename is two resources: the old name is gone, the new one is there.
			{Source: iamEvents, Names: []string{"UpdateUser"}, IDs: []string{"requestParameters.newUserName"}},
			// A group that takes another name changes the documents of its members,
			// whom the event does not name.
			{Source: iamEvents, Names: []string{"UpdateGroup"}, Wide: true},
		},
		Creates: []string{"CreateUser"},
		Actions: []Action{
			{Name: "iam:ListUsers"},
			{Name: "iam:GetUser", Member: "User"},
			{Name: "iam:GetLoginProfile", Member: "LoginProfile"},
			{Name: "iam:ListMFADevices", Member: "MFADevices"},
			{Name: "iam:ListAccessKeys", Member: "AccessKeys"},
			{Name: "iam:GetAccessKeyLastUsed", Member: "AccessKeys"},
			{Name: "iam:ListAttachedUserPolicies", Member: "AttachedPolicies"},
			{Name: "iam:ListUserPolicies", Member: "InlinePolicies"},
			{Name: "iam:GetUserPolicy", Member: "InlinePolicies"},
			{Name: "iam:ListGroupsForUser", Member: "Groups"},
		},
		Sample: &IAMUser{},
		Decode: decoder(fillIAMUser),
	}
}

type iamUserDocument struct {
	Missing []qrie.Missing `json:"missing"`
	User    struct {
		UserName, Arn, Path, CreateDate, PasswordLastUsed string
		Tags                                              []tag
	}
	LoginProfile *struct{ CreateDate string }
	MFADevices   []struct{ SerialNumber string }
	AccessKeys   []struct {
		AccessKeyID string `json:"AccessKeyId"`
		Status      string
		CreateDate  string
		LastUsed    struct{ LastUsedDate string }
	}
	AttachedPolicies []struct{ PolicyName, PolicyArn string }
	InlinePolicies   []struct {
		PolicyName     string
		PolicyDocument json.RawMessage
	}
	Groups []struct{ GroupName string }
}

func fillIAMUser(d *iamUserDocument, v *IAMUser, view *View) (err error) {
	v.Name, v.Path = d.User.UserName, d.User.Path
	if v.CreatedAt, err = timeOf("User.CreateDate", d.User.CreateDate); err != nil {
		return err
	}
	if v.PasswordLastUsed, err = timeOf("User.PasswordLastUsed", d.User.PasswordLastUsed); err != nil {
		return err
	}
	v.HasPassword = d.LoginProfile != nil
	for i, m := range d.MFADevices {
		v.MFADevices = append(v.MFADevices, MFADevice{Serial: m.SerialNumber, At: at("/MFADevices", i)})
	}
	for i, k := range d.AccessKeys {
		key := AccessKey{ID: k.AccessKeyID, Active: k.Status == "Active", At: at("/AccessKeys", i)}
		if key.CreatedAt, err = timeOf("AccessKeys.CreateDate", k.CreateDate); err != nil {
			return err
		}
		if key.LastUsed, err = timeOf("AccessKeys.LastUsed.LastUsedDate", k.LastUsed.LastUsedDate); err != nil {
			return err
		}
		v.AccessKeys = append(v.AccessKeys, key)
	}
	for i, p := range d.AttachedPolicies {
		v.Attached = append(v.Attached, AttachedPolicy{Name: p.PolicyName, ARN: p.PolicyArn, At: at("/AttachedPolicies", i)})
	}
	for i, p := range d.InlinePolicies {
		text, err := jsonText("InlinePolicies.PolicyDocument", p.PolicyDocument)
		if err != nil {
			return err
		}
		v.Inline = append(v.Inline, InlinePolicy{Name: p.PolicyName, Document: text, At: at("/InlinePolicies", i) + "/PolicyDocument"})
	}
	for _, g := range d.Groups {
		v.Groups = append(v.Groups, g.GroupName)
	}
	v.Tags = tagMap(d.User.Tags)
	view.Missing, view.Name, view.ARN, view.Tags = d.Missing, v.Name, d.User.Arn, v.Tags
	return nil
}
