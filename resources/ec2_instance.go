package resources

import "github.com/qrie-sec/qrie"

// EC2Instance is the view of AWS::EC2::Instance.
type EC2Instance struct {
	ID             string            `json:"id" ref:"id"`
	Name           string            `json:"name" ref:"id"` // tag Name; the id without one
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

const (
	ec2Events = "ec2.amazonaws.com"

	// taggedIDs are the resources of CreateTags and DeleteTags, of every type.
	taggedIDs = "requestParameters.resourcesSet.items.#.resourceId"
)

func ec2Instance() Type {
	return Type{
		Name: "AWS::EC2::Instance", Title: "EC2 instance",
		ARN:     "arn:{partition}:ec2:{region}:{account}:instance/{id}",
		Members: []string{"Instance", "Volumes"},
		// Source: EC2 User Guide, "Amazon EC2 instance state changes"; the types of its
		// API, InstanceStateName and AttachmentStatus.
		Stages: []Stage{
			{Path: "Instance.State.Name", Passes: []string{"pending", "shutting-down", "stopping"}},
			{Path: "Instance.BlockDeviceMappings.#.Ebs.Status", Passes: []string{"attaching", "detaching"}},
		},
		// Volumes that a launch makes, or that go with their instance, have no event
		// of their own. Source: EC2 User Guide, "Preserve data when an instance is
		// terminated".
		References: []Reference{{Path: "Volumes.#.VolumeId", Type: "AWS::EC2::Volume", Tie: "Instance.BlockDeviceMappings"}},
		Events: []Rule{
			{
				Source: ec2Events, Names: []string{"RunInstances"},
				IDs: []string{"responseElements.instancesSet.items.#.instanceId"},
				// CloudTrail leaves out an answer of more than 100 KB, which a launch of
				// some fifty instances has. Source: CloudTrail User Guide, "CloudTrail
				// record contents", responseElements.
				Wide: true,
			},
			{
				Source: ec2Events,
				Names: []string{
					"StartInstances", "StopInstances", "RebootInstances", "TerminateInstances",
					"MonitorInstances", "UnmonitorInstances",
				},
				IDs: []string{
					"requestParameters.instancesSet.items.#.instanceId",
					"responseElements.instancesSet.items.#.instanceId",
				},
			},
			{
				// AWS took Spot instances back; no call is made. Source: EC2 User Guide,
				// "Log Spot Instance interruptions with CloudTrail".
				Source: ec2Events, Names: []string{"BidEvictedEvent"},
				IDs: []string{"serviceEventDetails.instanceIdSet"},
			},
			{
				// Newer EC2 calls are logged with the request under the name of the
				// call and AWS's capital letters, older ones flat. Which is which is
				// not documented, so both are tried. CreateImage reboots the instance
				// unless it is told not to.
				Source: ec2Events,
				Names: []string{
					"ModifyInstanceAttribute", "ResetInstanceAttribute", "ModifyInstanceMetadataOptions",
					"ModifyInstancePlacement", "ModifyInstanceCapacityReservationAttributes",
					"ModifyInstanceCpuOptions", "ModifyInstanceMaintenanceOptions",
					"ModifyInstanceNetworkPerformanceOptions", "ModifyPrivateDnsNameOptions",
					"AttachVolume", "DetachVolume", "AttachNetworkInterface", "CreateImage",
					"CreateReplaceRootVolumeTask",
				},
				IDs: []string{
					"requestParameters.instanceId", "responseElements.instanceId",
					"requestParameters.*Request.InstanceId",
				},
			},
			{
				Source: ec2Events,
				Names:  []string{"AssociateIamInstanceProfile", "DisassociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation"},
				IDs: []string{
					"requestParameters.*Request.InstanceId", "requestParameters.instanceId",
					"responseElements.*Response.iamInstanceProfileAssociation.instanceId",
					"responseElements.iamInstanceProfileAssociation.instanceId",
				},
				Wide: true, // a dissociation may name the association alone
			},
			{
				// An address is often moved by its network interface or association,
				// which the instance cannot be told from. It is done seldom enough to
				// look at every instance.
				Source: ec2Events, Names: []string{"AssociateAddress", "DisassociateAddress"},
				IDs: []string{"requestParameters.instanceId"}, Wide: true,
			},
			{
				// With groupSet it moves the instance behind the interface to other
				// security groups, and names neither. Without, it is what container
				// networks do all day, and of no consequence here.
				Source: ec2Events, Names: []string{"ModifyNetworkInterfaceAttribute"},
				Has: []string{"requestParameters.groupSet"}, Wide: true,
			},
			{Source: ec2Events, Names: []string{"CreateTags", "DeleteTags"}, IDs: []string{taggedIDs}, Prefix: "i-"},
		},
		Creates: []string{"RunInstances"},
		Actions: []Action{
			{Name: "ec2:DescribeInstances"},
			{Name: "ec2:DescribeInstances", Member: "Instance"},
			{Name: "ec2:DescribeVolumes", Member: "Volumes"},
		},
		Sample: &EC2Instance{},
		Decode: decoder(fillEC2Instance),
	}
}

type ec2InstanceDocument struct {
	Missing  []qrie.Missing `json:"missing"`
	Instance struct {
		InstanceID      string `json:"InstanceId"`
		InstanceType    string
		State           struct{ Name string }
		PublicIPAddress string `json:"PublicIpAddress"`
		VpcID           string `json:"VpcId"`
		SubnetID        string `json:"SubnetId"`
		MetadataOptions struct {
			HTTPTokens string `json:"HttpTokens"`
		}
		IamInstanceProfile struct{ Arn string }
		SecurityGroups     []struct {
			GroupID string `json:"GroupId"`
		}
		Placement struct{ AvailabilityZone string }
		Tags      []tag
	}
	Volumes []ec2VolumeShape
}

func fillEC2Instance(d *ec2InstanceDocument, v *EC2Instance, view *View) error {
	in := &d.Instance
	v.ID, v.InstanceType, v.State, v.PublicIP = in.InstanceID, in.InstanceType, in.State.Name, in.PublicIPAddress
	v.VPCID, v.SubnetID = in.VpcID, in.SubnetID
	v.HTTPTokens, v.ProfileARN = in.MetadataOptions.HTTPTokens, in.IamInstanceProfile.Arn
	for _, g := range in.SecurityGroups {
		v.SecurityGroups = append(v.SecurityGroups, g.GroupID)
	}
	for i, vol := range d.Volumes {
		attached := AttachedVolume{ID: vol.VolumeID, Encrypted: vol.Encrypted, KeyID: vol.KmsKeyID, At: at("/Volumes", i) + "/Encrypted"}
		for _, a := range vol.Attachments {
			// A volume may be attached to several instances, under another device each.
			if a.InstanceID == v.ID || v.ID == "" {
				attached.Device = a.Device
				break
			}
		}
		v.Volumes = append(v.Volumes, attached)
	}
	v.Tags = tagMap(in.Tags)
	v.Name = nameOr(v.Tags, v.ID)
	view.Missing, view.Name, view.Tags = d.Missing, v.Name, v.Tags
	view.Region = regionOfZone(in.Placement.AvailabilityZone)
	return nil
}

// nameOr is the tag Name, which is where EC2 keeps names, or else the id.
func nameOr(tags map[string]string, id string) string {
	if name := tags["Name"]; name != "" {
		return name
	}
	return id
}
