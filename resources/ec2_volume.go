package resources

import "github.com/qrie-sec/qrie"

// EBSVolume is the view of AWS::EC2::Volume.
type EBSVolume struct {
	ID          string            `json:"id" ref:"id"`
	Name        string            `json:"name" ref:"id"` // tag Name; the id without one
	Encrypted   bool              `json:"encrypted" from:"Volume"`
	EncryptedAt string            `json:"encryptedAt"` // /Volume/Encrypted
	KeyID       string            `json:"keyId" from:"Volume"`
	State       string            `json:"state" from:"Volume"`
	SizeGiB     int               `json:"sizeGiB" from:"Volume"`
	Type        string            `json:"type" from:"Volume"`
	Instances   []string          `json:"instances" from:"Volume"`
	Tags        map[string]string `json:"tags" from:"Volume"`
}

func ec2Volume() Type {
	return Type{
		Name: "AWS::EC2::Volume", Title: "EBS volume",
		ARN:     "arn:{partition}:ec2:{region}:{account}:volume/{id}",
		Members: []string{"Volume"},
		// Source: EC2 API, VolumeState and VolumeAttachmentState. "busy" is a volume that
		// is detached once its instance lets go of it.
		Stages: []Stage{
			{Path: "Volume.State", Passes: []string{"creating", "deleting"}},
			{Path: "Volume.Attachments.#.State", Passes: []string{"attaching", "detaching", "busy"}},
		},
		// An instance's document holds what AWS says of its volumes.
		References: []Reference{{Path: "Volume.Attachments.#.InstanceId", Type: "AWS::EC2::Instance"}},
		Events: []Rule{
			{
				Source: ec2Events,
				Names: []string{
					"CreateVolume", "DeleteVolume", "ModifyVolume", "ModifyVolumeAttribute", "AttachVolume", "DetachVolume",
					"RestoreVolumeFromRecycleBin", "EnableVolumeIO",
				},
				IDs: []string{
					"requestParameters.volumeId", "responseElements.volumeId",
					"requestParameters.*Request.VolumeId",
				},
			},
			{
				// The volumes that a launch makes have no event of their own, and the
				// answer to RunInstances lists them only where AWS already knows them.
				// The others are found through the document of their instance.
				Source: ec2Events, Names: []string{"RunInstances"},
				IDs: []string{"responseElements.instancesSet.items.#.blockDeviceMapping.items.#.ebs.volumeId"},
			},
			{Source: ec2Events, Names: []string{"CreateTags", "DeleteTags"}, IDs: []string{taggedIDs}, Prefix: "vol-"},
		},
		Creates: []string{"CreateVolume", "RunInstances", "RestoreVolumeFromRecycleBin"},
		Actions: []Action{
			{Name: "ec2:DescribeVolumes"},
			{Name: "ec2:DescribeVolumes", Member: "Volume"},
		},
		Sample: &EBSVolume{},
		Decode: decoder(fillEC2Volume),
	}
}

type ec2VolumeDocument struct {
	Missing []qrie.Missing `json:"missing"`
	Volume  ec2VolumeShape
}

// ec2VolumeShape is the Volume of DescribeVolumes.
type ec2VolumeShape struct {
	VolumeID         string `json:"VolumeId"`
	Encrypted        bool
	KmsKeyID         string `json:"KmsKeyId"`
	State            string
	Size             int
	VolumeType       string
	AvailabilityZone string
	Attachments      []struct {
		InstanceID string `json:"InstanceId"`
		Device     string
	}
	Tags []tag
}

func fillEC2Volume(d *ec2VolumeDocument, v *EBSVolume, view *View) error {
	vol := &d.Volume
	v.ID, v.Encrypted, v.EncryptedAt, v.KeyID = vol.VolumeID, vol.Encrypted, "/Volume/Encrypted", vol.KmsKeyID
	v.State, v.SizeGiB, v.Type = vol.State, vol.Size, vol.VolumeType
	for _, a := range vol.Attachments {
		v.Instances = append(v.Instances, a.InstanceID)
	}
	v.Tags = tagMap(vol.Tags)
	v.Name = nameOr(v.Tags, v.ID)
	view.Missing, view.Name, view.Tags = d.Missing, v.Name, v.Tags
	view.Region = regionOfZone(vol.AvailabilityZone)
	return nil
}
