package sim

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/qrie-sec/qrie"
)

// noise is one event that changes nothing that qrie keeps: a read, a refused
// call, an event of another service, or one of an account that is not
// watched. Root never makes noise, because whatever root does is of interest.
func (w *World) noise(now time.Time) *scene {
	a := pick(w.rng, w.accounts)
	region := pick(w.rng, a.Regions)
	who := pick(w.rng, byMany)(w, a)
	s := &scene{w: w, who: who, account: a, at: now}
	switch r := w.rng.IntN(10); {
	case r < 4:
		s.call(w.readOnly(a, region))
	case r < 6:
		s.call(w.refused(a, region))
	case r < 9:
		s.call(w.elsewhere(a, region))
	default:
		w.strange(s)
	}
	return s
}

// readOnly is a call that only looks.
func (w *World) readOnly(a *account, region string) call {
	reads := []call{
		{source: ec2Source, name: "DescribeInstances", request: `{"maxResults":1000,"instancesSet":{},"filterSet":{}}`},
		{source: ec2Source, name: "DescribeSecurityGroups", request: `{"securityGroupSet":{},"securityGroupIdSet":{},"filterSet":{}}`},
		{source: iamSource, name: "ListUsers", request: `{"maxItems":100}`},
		{source: iamSource, name: "GetAccountSummary"},
		{source: rdsSource, name: "DescribeDBInstances", request: `{"filters":[]}`},
		{source: s3Source, name: "ListBuckets", request: `{"Host":"s3.` + region + `.amazonaws.com"}`},
		{source: "sts.amazonaws.com", name: "GetCallerIdentity"},
		{source: "kms.amazonaws.com", name: "Decrypt", request: `{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","keyId":"` + a.keyARN(region) + `"}`},
		{source: "sts.amazonaws.com", name: "AssumeRole", request: `{"roleArn":"` + a.RoleARN + `","roleSessionName":"qrie","durationSeconds":3600}`},
	}
	if buckets := w.byPlace[place{kindBucket, a.n, globalRegion}]; len(buckets) > 0 {
		t := pick(w.rng, buckets)
		reads = append(reads, bucketCall(t, "GetBucketPolicy", "policy", ""), bucketCall(t, "GetBucketAcl", "acl", ""))
	}
	c := pick(w.rng, reads)
	c.readOnly = true
	return placed(c, region)
}

// placed sets the Region of a call that has none.
func placed(c call, region string) call {
	switch {
	case c.source == iamSource:
		c.region = globalRegion
	case c.region == "":
		c.region = region
	}
	return c
}

// refused is a change that AWS did not make.
func (w *World) refused(a *account, region string) call {
	var tries []call
	if buckets := w.byPlace[place{kindBucket, a.n, globalRegion}]; len(buckets) > 0 {
		t := pick(w.rng, buckets)
		c := putPolicy(t, policyPublic)
		c.errorCode, c.errorMessage = "AccessDenied", "User is not authorized to perform: s3:PutBucketPolicy because public policies are blocked by the BlockPublicPolicy block public access setting."
		tries = append(tries, c)
	}
	if groups := w.byPlace[place{kindGroup, a.n, region}]; len(groups) > 0 {
		t := pick(w.rng, groups)
		c := ec2Call("AuthorizeSecurityGroupIngress", region, `{"groupId":"`+t.id+`","ipPermissions":{"items":[`+permissionItem(openings[0])+`]}}`, "")
		c.errorCode, c.errorMessage = "Client.InvalidPermission.Duplicate", "the specified rule \"peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW\" already exists"
		tries = append(tries, c)
	}
	if users := w.byPlace[place{kindUser, a.n, globalRegion}]; len(users) > 0 {
		t := pick(w.rng, users)
		c := userCall(t, "CreateAccessKey", "", "")
		c.errorCode, c.errorMessage = "LimitExceededException", "Cannot exceed quota for AccessKeysPerUser: 2"
		tries = append(tries, c)
	}
	launch := ec2Call("RunInstances", region, `{"instancesSet":{"items":[{"imageId":"`+awsID("ami-", w.rng.Uint64())+
		`","minCount":1,"maxCount":1}]},"instanceType":"p5.48xlarge","blockDeviceMapping":{},"monitoring":{"enabled":false},"disableApiTermination":false}`, "")
	launch.errorCode, launch.errorMessage = "Client.UnauthorizedOperation", "You are not authorized to perform this operation."
	return placed(pick(w.rng, append(tries, launch)), region)
}

// elsewhere is a change of something that qrie does not keep.
func (w *World) elsewhere(a *account, region string) call {
	app := pick(w.rng, a.apps)
	id := w.rng.Uint64()
	return placed(pick(w.rng, []call{
		{source: "lambda.amazonaws.com", name: "UpdateFunctionCode20150331v2", request: `{"functionName":"` + app + `-worker","publish":true,"dryRun":false}`,
			response: `{"functionName":"` + app + `-worker","runtime":"python3.12","version":"` + strconv.FormatUint(id%900, 10) + `"}`},
		{source: "logs.amazonaws.com", name: "CreateLogStream", request: `{"logGroupName":"/aws/lambda/` + app + `-worker","logStreamName":"` + string(appendHex(nil, id, 16)) + `"}`},
		{source: "ecs.amazonaws.com", name: "UpdateService", request: `{"service":"` + app + `","cluster":"` + a.env + `","desiredCount":` + strconv.FormatUint(1+id%8, 10) + `}`},
		{source: "dynamodb.amazonaws.com", name: "UpdateTable", request: `{"tableName":"` + app + `-sessions","billingMode":"PAY_PER_REQUEST"}`},
		{source: "kms.amazonaws.com", name: "CreateGrant", request: `{"keyId":"` + a.keyARN(region) + `","operations":["Decrypt"]}`},
		{source: ec2Source, name: "CreateSnapshot", request: `{"volumeId":"` + awsID("vol-", id) + `","description":"nightly"}`,
			response: `{"requestId":"` + uuid(w.rng) + `","snapshotId":"` + awsID("snap-", id) + `","status":"pending"}`},
		{source: ec2Source, name: "CreateRoute", request: `{"routeTableId":"` + awsID("rtb-", id) + `","destinationCidrBlock":"10.200.0.0/16","natGatewayId":"` + awsID("nat-", id) + `"}`,
			response: `{"requestId":"` + uuid(w.rng) + `","_return":true}`},
		{source: iamSource, name: "UpdateAssumeRolePolicy", request: `{"roleName":"` + app + `-worker","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[]}"}`},
		{source: "ssm.amazonaws.com", name: "PutParameter", request: `{"name":"/` + app + `/flag","type":"String","overwrite":true}`, response: `{"version":` + strconv.FormatUint(id%50, 10) + `,"tier":"Standard"}`},
	}), region)
}

// newStranger is an account that nobody told qrie of.
func newStranger(rng *rand.Rand) *account {
	id := strconv.FormatUint(100_000_000_000+rng.Uint64N(900_000_000_000), 10)
	return &account{
		Account: qrie.Account{ID: id, Name: "acquired-shop", Tags: map[string]string{"team": "shop"}, Regions: []string{globalRegion}, RoleARN: "arn:aws:iam::" + id + ":role/none"},
		hash:    mix(hashText(id)), apps: []string{"shop"}, env: "prod", careless: 1,
	}
}

// strange is a real change, in an account that is not watched.
func (w *World) strange(s *scene) {
	a := w.stranger
	s.account, s.who = a, w.sso(a, pick(w.rng, w.people).email(), "AdministratorAccess")
	s.who.tool, s.who.agent, s.who.ip = viaConsole, chromeMac, publicIP(w.rng.Uint64())
	t := &thing{kind: kindGroup, account: a, region: globalRegion, id: awsID("sg-", a.hash)}
	s.authorize(t, pick(w.rng, openings))
}
