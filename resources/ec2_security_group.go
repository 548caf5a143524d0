package resources

import (
	"strconv"

	"github.com/qrie-sec/qrie"
)

// SecurityGroup is the view of AWS::EC2::SecurityGroup.
type SecurityGroup struct {
	ID      string            `json:"id" ref:"id"`
	Name    string            `json:"name" ref:"id"` // GroupName
	VPCID   string            `json:"vpcId" from:"SecurityGroup"`
	Ingress []SecurityRule    `json:"ingress" from:"SecurityGroup"`
	Egress  []SecurityRule    `json:"egress" from:"SecurityGroup"`
	Tags    map[string]string `json:"tags" from:"SecurityGroup"`
}

// SecurityRule is one permission for one source. AWS's protocol -1 is "all"
// with ports 0 to 65535; so are the ports of ICMP, whose types and codes AWS
// keeps in the port fields, and of protocols that have none.
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

func ec2SecurityGroup() Type {
	return Type{
		Name: "AWS::EC2::SecurityGroup", Title: "EC2 security group",
		ARN:     "arn:{partition}:ec2:{region}:{account}:security-group/{id}",
		Members: []string{"SecurityGroup"},
		Events: []Rule{
			{
				Source: ec2Events, Names: []string{"CreateSecurityGroup"},
				IDs: []string{"responseElements.groupId"}, Wide: true,
			},
			{
				// In a default VPC a group may be named by its name alone; the answer to
				// Authorize tells the id, and where nothing does, every group is looked at.
				// ModifySecurityGroupRules and its kin are logged with the request under
				// the name of the call.
				Source: ec2Events,
				Names: []string{
					"DeleteSecurityGroup",
					"AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress",
					"RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress",
					"ModifySecurityGroupRules",
					"UpdateSecurityGroupRuleDescriptionsIngress", "UpdateSecurityGroupRuleDescriptionsEgress",
				},
				IDs: []string{
					"requestParameters.groupId", "requestParameters.*Request.GroupId",
					"responseElements.groupId", "responseElements.securityGroupRuleSet.items.#.groupId",
				},
				Wide: true,
			},
			// A VPC comes and goes with its default group, which no event names.
			{Source: ec2Events, Names: []string{"CreateVpc", "CreateDefaultVpc", "DeleteVpc"}, Wide: true},
			{Source: ec2Events, Names: []string{"CreateTags", "DeleteTags"}, IDs: []string{taggedIDs}, Prefix: "sg-"},
		},
		Creates: []string{"CreateSecurityGroup"},
		Actions: []Action{
			{Name: "ec2:DescribeSecurityGroups"},
			{Name: "ec2:DescribeSecurityGroups", Member: "SecurityGroup"},
		},
		Sample: &SecurityGroup{},
		Decode: decoder(fillSecurityGroup),
	}
}

type securityGroupDocument struct {
	Missing       []qrie.Missing `json:"missing"`
	SecurityGroup struct {
		GroupID             string `json:"GroupId"`
		GroupName           string
		VpcID               string `json:"VpcId"`
		SecurityGroupArn    string
		IPPermissions       []ipPermission `json:"IpPermissions"`
		IPPermissionsEgress []ipPermission `json:"IpPermissionsEgress"`
		Tags                []tag
	}
}

// ipPermission is one permission with all of its sources.
type ipPermission struct {
	IPProtocol string `json:"IpProtocol"`
	FromPort   *int
	ToPort     *int
	IPRanges   []struct {
		CidrIP      string `json:"CidrIp"`
		Description string
	} `json:"IpRanges"`
	IPv6Ranges []struct {
		CidrIPv6    string `json:"CidrIpv6"`
		Description string
	} `json:"Ipv6Ranges"`
	UserIDGroupPairs []struct {
		GroupID     string `json:"GroupId"`
		Description string
	} `json:"UserIdGroupPairs"`
	PrefixListIDs []struct {
		PrefixListID string `json:"PrefixListId"`
		Description  string
	} `json:"PrefixListIds"`
}

func fillSecurityGroup(d *securityGroupDocument, v *SecurityGroup, view *View) error {
	g := &d.SecurityGroup
	v.ID, v.Name, v.VPCID = g.GroupID, g.GroupName, g.VpcID
	v.Ingress = securityRules("/SecurityGroup/IpPermissions", g.IPPermissions)
	v.Egress = securityRules("/SecurityGroup/IpPermissionsEgress", g.IPPermissionsEgress)
	v.Tags = tagMap(g.Tags)
	view.Missing, view.Name, view.ARN, view.Tags = d.Missing, v.Name, g.SecurityGroupArn, v.Tags
	view.Region = regionOfARN(g.SecurityGroupArn)
	return nil
}

// securityRules makes one rule of each source of each permission.
func securityRules(pointer string, permissions []ipPermission) []SecurityRule {
	var rules []SecurityRule
	for i, p := range permissions {
		base := SecurityRule{Protocol: protocolName(p.IPProtocol), ToPort: 65535}
		if base.Protocol == "tcp" || base.Protocol == "udp" {
			base.FromPort, base.ToPort = ports(p.FromPort, p.ToPort)
		}
		here := at(pointer, i)
		for j, r := range p.IPRanges {
			rule := base
			rule.CIDR, rule.Description, rule.At = r.CidrIP, r.Description, at(here+"/IpRanges", j)
			rules = append(rules, rule)
		}
		for j, r := range p.IPv6Ranges {
			rule := base
			rule.CIDR, rule.Description, rule.At = r.CidrIPv6, r.Description, at(here+"/Ipv6Ranges", j)
			rules = append(rules, rule)
		}
		for j, r := range p.UserIDGroupPairs {
			rule := base
			rule.SourceGroup, rule.Description, rule.At = r.GroupID, r.Description, at(here+"/UserIdGroupPairs", j)
			rules = append(rules, rule)
		}
		for j, r := range p.PrefixListIDs {
			rule := base
			rule.PrefixList, rule.Description, rule.At = r.PrefixListID, r.Description, at(here+"/PrefixListIds", j)
			rules = append(rules, rule)
		}
	}
	return rules
}

// ports reads a range in which -1 or nothing stands for every port.
func ports(from, to *int) (first, last int) {
	first, last = 0, 65535
	if from != nil && *from >= 0 {
		first = *from
	}
	if to != nil && *to >= 0 {
		last = *to
	}
	return first, last
}

// protocolName turns AWS's protocol, a name or an IANA number, into one word.
// Source: EC2 API Reference, IpPermission; IANA's list of protocol numbers.
func protocolName(p string) string {
	switch p {
	case "-1", "all":
		return "all"
	case "tcp", "6":
		return "tcp"
	case "udp", "17":
		return "udp"
	case "icmp", "1":
		return "icmp"
	case "icmpv6", "58":
		return "icmpv6"
	}
	if n, err := strconv.Atoi(p); err == nil {
		return strconv.Itoa(n)
	}
	return p
}
