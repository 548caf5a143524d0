package resources

import "time"

// The views. Field names are their JSON names, which is how policies read
// them. "from" lists the members of the document that a field rests on; a
// field without it is always known. "At" is a JSON Pointer into the document.

// S3Bucket is the view of AWS::S3::Bucket.
//
// Members: Location, PublicAccessBlock, AccountPublicAccessBlock, PolicyStatus,
// Policy, Acl, OwnershipControls, Versioning, Encryption, Logging, Tags.
type S3Bucket struct {
	Name     string  `json:"name"`
	Region   string  `json:"region" from:"Location"`
	Block    Block   `json:"block" from:"PublicAccessBlock,AccountPublicAccessBlock"` // the union: a flag is on if either sets it
	BlockAt  string  `json:"blockAt"`                                                 // /PublicAccessBlock
	ACL      []Grant `json:"acl" from:"Acl"`
	Policy   string  `json:"policy" from:"Policy"` // JSON text; empty if there is none
	PolicyAt string  `json:"policyAt"`             // /Policy
	// PublicByAWS is PolicyStatus.IsPublic: AWS's own judgement of the policy.
	PublicByAWS bool              `json:"publicByAws" from:"PolicyStatus"`
	Ownership   string            `json:"ownership" from:"OwnershipControls"`
	Versioning  string            `json:"versioning" from:"Versioning"` // Enabled, Suspended or empty: never turned on
	MFADelete   bool              `json:"mfaDelete" from:"Versioning"`
	Encryption  []SSERule         `json:"encryption" from:"Encryption"`
	LogTarget   string            `json:"logTarget" from:"Logging"`
	Tags        map[string]string `json:"tags" from:"Tags"`
}

// Block is the four Block Public Access settings.
type Block struct {
	BlockPublicACLs       bool `json:"blockPublicAcls"`
	IgnorePublicACLs      bool `json:"ignorePublicAcls"`
	BlockPublicPolicy     bool `json:"blockPublicPolicy"`
	RestrictPublicBuckets bool `json:"restrictPublicBuckets"`
}

// Grant is one grant of an access control list. Grantee is AllUsers,
// AuthenticatedUsers or LogDelivery for the groups, otherwise the canonical
// id or address.
type Grant struct {
	Grantee    string `json:"grantee"`
	Permission string `json:"permission"`
	At         string `json:"at"` // /Acl/Grants/0
}

// SSERule is one default encryption rule of a bucket.
type SSERule struct {
	Algorithm string `json:"algorithm"` // AES256, aws:kms, aws:kms:dsse
	KeyID     string `json:"keyId"`
	At        string `json:"at"`
}

// Account is the view of AWS::Account: what belongs to the account as a whole.
//
// Members: Summary (GetAccountSummary), PasswordPolicy, PublicAccessBlock,
// RootCredentials (the <root_account> row of the credential report).
type Account struct {
	ID                 string    `json:"id"`
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

// IAMUser is the view of AWS::IAM::User.
//
// Members: User, LoginProfile, MFADevices, AccessKeys (each with LastUsed),
// AttachedPolicies, InlinePolicies, Groups.
type IAMUser struct {
	Name             string            `json:"name"`
	Path             string            `json:"path" from:"User"`
	CreatedAt        time.Time         `json:"createdAt" from:"User"`
	PasswordLastUsed time.Time         `json:"passwordLastUsed" from:"User"`
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
	At     string `json:"at"`
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
	At   string `json:"at"`
}

// InlinePolicy is a policy embedded in a principal.
type InlinePolicy struct {
	Name     string `json:"name"`
	Document string `json:"document"` // JSON text
	At       string `json:"at"`       // /InlinePolicies/0/PolicyDocument
}

// IAMPolicy is the view of AWS::IAM::ManagedPolicy, customer managed only.
//
// Members: Policy, DefaultVersion (with its Document decoded).
type IAMPolicy struct {
	Name        string            `json:"name"`
	ARN         string            `json:"arn"`
	Attachments int               `json:"attachments" from:"Policy"`
	VersionID   string            `json:"versionId" from:"DefaultVersion"`
	Document    string            `json:"document" from:"DefaultVersion"` // JSON text
	DocumentAt  string            `json:"documentAt"`                     // /DefaultVersion/Document
	Tags        map[string]string `json:"tags" from:"Policy"`
}

// EC2Instance is the view of AWS::EC2::Instance.
//
// Members: Instance, Volumes (DescribeVolumes of those attached).
type EC2Instance struct {
	ID             string            `json:"id"`
	Name           string            `json:"name"` // tag Name; the id without one
	InstanceType   string            `json:"instanceType" from:"Instance"`
	State          string            `json:"state" from:"Instance"`
	PublicIP       string            `json:"publicIp" from:"Instance"`
	VPCID          string            `json:"vpcId" from:"Instance"`
	SubnetID       string            `json:"subnetId" from:"Instance"`
	HTTPTokens     string            `json:"httpTokens" from:"Instance"` // required or optional: IMDSv2
	ProfileARN     string            `json:"profileArn" from:"Instance"`
	SecurityGroups []string          `json:"securityGroups" from:"Instance"`
	Volumes        []AttachedVolume  `json:"volumes" from:"Volumes"`
	Tags           map[string]string `json:"tags" from:"Instance"`
}

// AttachedVolume is a volume as its instance sees it.
type AttachedVolume struct {
	ID        string `json:"id"`
	Device    string `json:"device"`
	Encrypted bool   `json:"encrypted"`
	KeyID     string `json:"keyId"`
	At        string `json:"at"` // /Volumes/0/Encrypted
}

// EBSVolume is the view of AWS::EC2::Volume.
//
// Member: Volume.
type EBSVolume struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Encrypted   bool              `json:"encrypted" from:"Volume"`
	EncryptedAt string            `json:"encryptedAt"` // /Volume/Encrypted
	KeyID       string            `json:"keyId" from:"Volume"`
	State       string            `json:"state" from:"Volume"`
	SizeGiB     int               `json:"sizeGiB" from:"Volume"`
	Type        string            `json:"type" from:"Volume"`
	Instances   []string          `json:"instances" from:"Volume"`
	Tags        map[string]string `json:"tags" from:"Volume"`
}

// SecurityGroup is the view of AWS::EC2::SecurityGroup.
//
// Member: SecurityGroup (DescribeSecurityGroups).
type SecurityGroup struct {
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	VPCID   string            `json:"vpcId" from:"SecurityGroup"`
	Ingress []SecurityRule    `json:"ingress" from:"SecurityGroup"`
	Egress  []SecurityRule    `json:"egress" from:"SecurityGroup"`
	Tags    map[string]string `json:"tags" from:"SecurityGroup"`
}

// SecurityRule is one permission for one source. AWS's protocol -1 is "all"
// with ports 0 to 65535; ICMP has ports 0 to 65535 as well.
type SecurityRule struct {
	Protocol    string `json:"protocol"` // tcp, udp, icmp, icmpv6, all, or a number
	FromPort    int    `json:"fromPort"`
	ToPort      int    `json:"toPort"`
	CIDR        string `json:"cidr"`        // IPv4 or IPv6 block; empty for the others
	SourceGroup string `json:"sourceGroup"` // security group id
	PrefixList  string `json:"prefixList"`  // prefix list id
	Description string `json:"description"`
	At          string `json:"at"` // /SecurityGroup/IpPermissions/0/IpRanges/1
}

// RDSInstance is the view of AWS::RDS::DBInstance.
//
// Member: DBInstance.
type RDSInstance struct {
	ID                 string            `json:"id"`
	Engine             string            `json:"engine" from:"DBInstance"`
	Class              string            `json:"class" from:"DBInstance"`
	Status             string            `json:"status" from:"DBInstance"`
	PubliclyAccessible bool              `json:"publiclyAccessible" from:"DBInstance"`
	PublicAt           string            `json:"publicAt"` // /DBInstance/PubliclyAccessible
	StorageEncrypted   bool              `json:"storageEncrypted" from:"DBInstance"`
	MultiAZ            bool              `json:"multiAz" from:"DBInstance"`
	BackupDays         int               `json:"backupDays" from:"DBInstance"`
	DeletionProtection bool              `json:"deletionProtection" from:"DBInstance"`
	Endpoint           string            `json:"endpoint" from:"DBInstance"`
	Tags               map[string]string `json:"tags" from:"DBInstance"`
}
