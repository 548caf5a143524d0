package resources_test

import "testing"

// bucketDocument and groupDocument are of the usual size, about 2 KB.
const bucketDocument = `{"Location":{"LocationConstraint":"eu-west-1"},"PublicAccessBlock":{"BlockPublicAcls":true,"IgnorePublicAcls":true,"BlockPublicPolicy":true,"RestrictPublicBuckets":true},"AccountPublicAccessBlock":{"BlockPublicAcls":false,"IgnorePublicAcls":false,"BlockPublicPolicy":false,"RestrictPublicBuckets":false},"PolicyStatus":{"IsPublic":false},"Policy":{"Version":"2012-10-17","Statement":[{"Sid":"DenyPlainText","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::orders-archive-prod","arn:aws:s3:::orders-archive-prod/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}},{"Sid":"Partner","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:role/partner-reader","arn:aws:iam::444455556666:role/partner-reader"]},"Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::orders-archive-prod","arn:aws:s3:::orders-archive-prod/*"]}]},"Acl":{"Owner":{"DisplayName":"orders","ID":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},"Grants":[{"Grantee":{"Type":"CanonicalUser","DisplayName":"orders","EmailAddress":null,"ID":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be","URI":null},"Permission":"FULL_CONTROL"}]},"OwnershipControls":{"Rules":[{"ObjectOwnership":"BucketOwnerEnforced"}]},"Versioning":{"Status":"Enabled","MFADelete":""},"Encryption":{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"arn:aws:kms:eu-west-1:111122223333:key/0d990263-018e-4e65-a703-eff731de951e"},"BucketKeyEnabled":true}]},"Logging":{"TargetBucket":"central-logs-prod","TargetPrefix":"orders-archive-prod/","TargetGrants":null,"TargetObjectKeyFormat":null},"Tags":[{"Key":"team","Value":"orders"},{"Key":"env","Value":"prod"},{"Key":"data-class","Value":"confidential"},{"Key":"cost-centre","Value":"4711"}]}`

const groupDocument = `{"SecurityGroup":{"Description":"front end","GroupId":"sg-0fe5f2a5b1c2d3e4f","GroupName":"web","OwnerId":"111122223333","SecurityGroupArn":"arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0fe5f2a5b1c2d3e4f","VpcId":"vpc-0a1b2c3d4e5f60718","IpPermissions":[{"FromPort":443,"IpProtocol":"tcp","IpRanges":[{"CidrIp":"0.0.0.0/0","Description":"everyone"}],"Ipv6Ranges":[{"CidrIpv6":"::/0","Description":"everyone"}],"PrefixListIds":[],"ToPort":443,"UserIdGroupPairs":[]},{"FromPort":22,"IpProtocol":"tcp","IpRanges":[{"CidrIp":"10.1.0.0/16","Description":"office one"},{"CidrIp":"10.2.0.0/16","Description":"office two"},{"CidrIp":"192.0.2.0/24","Description":"vpn"}],"Ipv6Ranges":[],"PrefixListIds":[{"Description":null,"PrefixListId":"pl-63a5400a"}],"ToPort":22,"UserIdGroupPairs":[{"Description":"bastion","GroupId":"sg-0123456789abcdef0","GroupName":null,"PeeringStatus":null,"UserId":"111122223333","VpcId":null,"VpcPeeringConnectionId":null}]},{"FromPort":8080,"IpProtocol":"tcp","IpRanges":[],"Ipv6Ranges":[],"PrefixListIds":[],"ToPort":8090,"UserIdGroupPairs":[{"Description":"balancer","GroupId":"sg-0aaaaaaaaaaaaaaaa","GroupName":null,"PeeringStatus":null,"UserId":"111122223333","VpcId":null,"VpcPeeringConnectionId":null}]}],"IpPermissionsEgress":[{"FromPort":null,"IpProtocol":"-1","IpRanges":[{"CidrIp":"0.0.0.0/0","Description":null}],"Ipv6Ranges":[],"PrefixListIds":[],"ToPort":null,"UserIdGroupPairs":[]}],"Tags":[{"Key":"Name","Value":"web"},{"Key":"team","Value":"front"}]}}`

func BenchmarkDecode(b *testing.B) {
	for typeName, document := range map[string]string{"AWS::S3::Bucket": bucketDocument, "AWS::EC2::SecurityGroup": groupDocument} {
		b.Run(typeName, func(b *testing.B) {
			typ := mustFind(b, typeName)
			doc := []byte(document)
			b.ReportAllocs()
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				if _, err := typ.Decode(doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
