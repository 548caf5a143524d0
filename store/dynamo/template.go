package dynamo

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Template describes the tables as a CloudFormation template, for who keeps
// infrastructure as code. The stack makes what Migrate would; Migrate then
// takes its tables, and writes their version. What is deleted from the stack is
// kept.
func Template() []byte {
	var b strings.Builder
	b.WriteString(templateHead)
	c := &client{} // its prefix is the template's parameter
	for _, id := range slices.Sorted(maps.Keys(tables)) {
		in := c.creation(id, tables[id])
		fmt.Fprintf(&b, "  %s:\n", logicalID(id))
		b.WriteString("    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Retain\n    UpdateReplacePolicy: Retain\n    Properties:\n")
		fmt.Fprintf(&b, "      TableName: !Sub '${Prefix}%s'\n", aws.ToString(in.TableName))
		fmt.Fprintf(&b, "      BillingMode: %s\n      DeletionProtectionEnabled: %v\n", in.BillingMode, aws.ToBool(in.DeletionProtectionEnabled))
		b.WriteString(templateProtection)
		b.WriteString("      AttributeDefinitions:\n")
		for _, a := range in.AttributeDefinitions {
			fmt.Fprintf(&b, "        - AttributeName: %s\n          AttributeType: %s\n", aws.ToString(a.AttributeName), a.AttributeType)
		}
		b.WriteString("      KeySchema:\n")
		writeKeys(&b, "        ", in.KeySchema)
		if len(in.GlobalSecondaryIndexes) > 0 {
			b.WriteString("      GlobalSecondaryIndexes:\n")
		}
		for _, x := range in.GlobalSecondaryIndexes {
			fmt.Fprintf(&b, "        - IndexName: %s\n          KeySchema:\n", aws.ToString(x.IndexName))
			writeKeys(&b, "            ", x.KeySchema)
			fmt.Fprintf(&b, "          Projection:\n            ProjectionType: %s\n", x.Projection.ProjectionType)
			if len(x.Projection.NonKeyAttributes) > 0 {
				b.WriteString("            NonKeyAttributes:\n")
			}
			for _, name := range x.Projection.NonKeyAttributes {
				fmt.Fprintf(&b, "              - %s\n", name)
			}
		}
	}
	return []byte(b.String())
}

func writeKeys(b *strings.Builder, indent string, keys []types.KeySchemaElement) {
	for _, k := range keys {
		fmt.Fprintf(b, "%s- AttributeName: %s\n%s  KeyType: %s\n", indent, aws.ToString(k.AttributeName), indent, k.KeyType)
	}
}

// logicalID is a table's name in the stack, such as DeadLettersTable.
func logicalID(id tableID) string {
	var b strings.Builder
	for word := range strings.SplitSeq(string(id), "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String() + "Table"
}

const templateHead = `AWSTemplateFormatVersion: '2010-09-09'
Description: The tables of qrie's store. Run qrie migrate once the stack is complete.
Parameters:
  Prefix:
    Type: String
    Default: qrie_
    AllowedPattern: '[a-zA-Z0-9_.-]{1,100}'
    Description: Begins the name of every table; qrie is started with the same.
  KmsKeyArn:
    Type: String
    Default: ''
    Description: The key that encrypts the tables. Empty takes the one that AWS keeps for DynamoDB in this account.
Conditions:
  OwnKey: !Not [!Equals [!Ref KmsKeyArn, '']]
Resources:
`

const templateProtection = `      PointInTimeRecoverySpecification:
        PointInTimeRecoveryEnabled: true
      SSESpecification:
        SSEEnabled: true
        SSEType: KMS
        KMSMasterKeyId: !If [OwnKey, !Ref KmsKeyArn, !Ref AWS::NoValue]
`
