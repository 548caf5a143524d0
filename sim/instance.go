package sim

import (
	"slices"
	"strconv"
	"time"
)

// attachment is a volume on an instance, as the instance knows it.
type attachment struct {
	volume *thing
	device string
	since  time.Time
	dies   bool // deleted with the instance
}

type instanceState struct {
	class     string // instance type, such as t3.medium
	image     string
	zone      int
	stopped   bool
	changed   time.Time // of the last start or stop; the launch, at first
	public    bool      // has a public address
	tokens    bool      // IMDSv2 is required
	monitored bool
	groups    []*thing
	attached  []attachment
	tags      tagSet
}

func (s *instanceState) failing(c judgement, fail func(string)) {
	if c.sees("Volumes") && s.unencrypted() {
		fail("EC2UnencryptedEBS")
	}
}

func (s *instanceState) unencrypted() bool {
	for _, a := range s.attached {
		if v, ok := a.volume.now.(*volumeState); ok && !v.encrypted {
			return true
		}
	}
	return false
}

func (s *instanceState) clone() *instanceState {
	c := *s
	c.attached = slices.Clone(s.attached)
	return &c
}

func (s *instanceState) write(d *document) {
	if d.member("Instance") {
		s.writeInstance(d)
	}
	if d.member("Volumes") {
		d.array("Volumes")
		for _, v := range d.volumes {
			v.s.writeVolume(&d.writer, "", v.t)
		}
		d.endArray()
	}
}

// writeInstance writes the Instance of DescribeInstances.
func (s *instanceState) writeInstance(d *document) {
	t := d.t
	a, h := t.account, t.hash
	private := a.privateIP(s.zone, h)
	privateDNS := privateName(private, t.region)
	public := publicIP(mix(h))
	d.object("Instance")
	d.int("AmiLaunchIndex", 0)
	d.text("Architecture", "x86_64")
	d.array("BlockDeviceMappings")
	for _, v := range s.attached {
		d.object("")
		d.text("DeviceName", v.device)
		d.object("Ebs")
		d.time("AttachTime", v.since)
		d.bool("DeleteOnTermination", v.dies)
		d.texts("Status", "attached", "VolumeId", v.volume.id)
		d.end()
		d.end()
	}
	d.endArray()
	d.texts("BootMode", "uefi-preferred", "CurrentInstanceBootMode", "uefi")
	d.raw("CapacityReservationSpecification", `{"CapacityReservationPreference":"open"}`)
	d.text("ClientToken", "")
	d.raw("CpuOptions", `{"CoreCount":1,"ThreadsPerCore":2}`)
	d.bool("EbsOptimized", true)
	d.bool("EnaSupport", true)
	d.raw("EnclaveOptions", `{"Enabled":false}`)
	d.raw("HibernationOptions", `{"Configured":false}`)
	d.text("Hypervisor", "xen")
	d.object("IamInstanceProfile")
	d.texts("Arn", "arn:aws:iam::"+a.ID+":instance-profile/"+s.tags.get("application")+"-instance", "Id", uniqueID("AIPA", mix(a.hash^2), 17))
	d.end()
	d.texts("ImageId", s.image, "InstanceId", t.id, "InstanceType", s.class)
	d.time("LaunchTime", t.born)
	d.raw("MaintenanceOptions", `{"AutoRecovery":"default"}`)
	d.object("MetadataOptions")
	tokens := "optional"
	if s.tokens {
		tokens = "required"
	}
	d.texts("HttpEndpoint", "enabled", "HttpProtocolIpv6", "disabled", "HttpTokens", tokens, "InstanceMetadataTags", "disabled", "State", "applied")
	d.int("HttpPutResponseHopLimit", 2)
	d.end()
	monitoring := "disabled"
	if s.monitored {
		monitoring = "enabled"
	}
	d.raw("Monitoring", `{"State":"`+monitoring+`"}`)
	s.writeInterface(d, private, privateDNS, public)
	d.object("Placement")
	d.texts("AvailabilityZone", zoneName(t.region, s.zone), "GroupName", "", "Tenancy", "default")
	d.end()
	d.texts("PlatformDetails", "Linux/UNIX", "PrivateDnsName", privateDNS)
	d.raw("PrivateDnsNameOptions", `{"EnableResourceNameDnsAAAARecord":false,"EnableResourceNameDnsARecord":false,"HostnameType":"ip-name"}`)
	d.text("PrivateIpAddress", private)
	d.raw("ProductCodes", "[]")
	if s.public && !s.stopped {
		d.texts("PublicDnsName", publicName(public, t.region), "PublicIpAddress", public)
	} else {
		d.text("PublicDnsName", "")
	}
	d.texts("RootDeviceName", rootDevice, "RootDeviceType", "ebs")
	s.writeGroups(d, "SecurityGroups")
	d.bool("SourceDestCheck", true)
	d.object("State")
	if s.stopped {
		d.int("Code", 80)
		d.text("Name", "stopped")
	} else {
		d.int("Code", 16)
		d.text("Name", "running")
	}
	d.end()
	if s.stopped {
		d.raw("StateReason", `{"Code":"Client.UserInitiatedShutdown","Message":"Client.UserInitiatedShutdown: User initiated shutdown"}`)
		d.text("StateTransitionReason", "User initiated ("+s.changed.UTC().Format("2006-01-02 15:04:05")+" GMT)")
	} else {
		d.text("StateTransitionReason", "")
	}
	d.text("SubnetId", a.subnetID(t.region, s.zone, s.public))
	d.writeTags("Tags", s.tags)
	d.text("UsageOperation", "RunInstances")
	d.time("UsageOperationUpdateTime", t.born)
	d.texts("VirtualizationType", "hvm", "VpcId", a.vpcID(t.region))
	d.end()
}

func (s *instanceState) writeGroups(d *document, name string) {
	d.array(name)
	for _, g := range s.groups {
		// A group keeps its name for life, so the name needs no lock.
		d.object("")
		d.texts("GroupId", g.id, "GroupName", g.name)
		d.end()
	}
	d.endArray()
}

func (s *instanceState) writeInterface(d *document, private, privateDNS, public string) {
	t := d.t
	h := mix(t.hash ^ 7)
	d.array("NetworkInterfaces")
	d.object("")
	if s.public && !s.stopped {
		d.object("Association")
		d.texts("IpOwnerId", "amazon", "PublicDnsName", publicName(public, t.region), "PublicIp", public)
		d.end()
	}
	d.object("Attachment")
	d.time("AttachTime", t.born)
	d.text("AttachmentId", awsID("eni-attach-", h))
	d.bool("DeleteOnTermination", true)
	d.int("DeviceIndex", 0)
	d.int("NetworkCardIndex", 0)
	d.text("Status", "attached")
	d.end()
	d.text("Description", "")
	s.writeGroups(d, "Groups")
	d.text("InterfaceType", "interface")
	d.raw("Ipv6Addresses", "[]")
	d.texts("MacAddress", macAddress(h), "NetworkInterfaceId", awsID("eni-", mix(h)), "OwnerId", t.account.ID,
		"PrivateDnsName", privateDNS, "PrivateIpAddress", private)
	d.array("PrivateIpAddresses")
	d.object("")
	d.bool("Primary", true)
	d.texts("PrivateDnsName", privateDNS, "PrivateIpAddress", private)
	d.end()
	d.endArray()
	d.bool("SourceDestCheck", true)
	d.texts("Status", "in-use", "SubnetId", t.account.subnetID(t.region, s.zone, s.public), "VpcId", t.account.vpcID(t.region))
	d.end()
	d.endArray()
}

const rootDevice = "/dev/xvda"

// deviceName is the name of the n-th volume of an instance.
func deviceName(n int) string {
	if n == 0 {
		return rootDevice
	}
	return "/dev/sd" + string(rune('e'+n))
}

// freeDevice is the first name that no volume of the instance has.
func (s *instanceState) freeDevice() string {
	for n := 1; ; n++ {
		name := deviceName(n)
		if !slices.ContainsFunc(s.attached, func(a attachment) bool { return a.device == name }) {
			return name
		}
	}
}

var instanceClasses = []string{"t3.medium", "t3.large", "m6i.large", "m6i.xlarge", "c6i.large", "r6i.large"}

// newInstance makes the state of an instance without volumes.
func (w *World) newInstance(a *account, region, app string) *instanceState {
	s := &instanceState{
		class: pick(w.rng, instanceClasses), image: awsID("ami-", mix(hashText(region)+uint64(w.rng.IntN(4)))),
		zone: w.rng.IntN(3), public: often(w.rng, 0.15), tokens: !often(w.rng, 0.2*a.careless), monitored: often(w.rng, 0.3),
	}
	name := app + "-" + a.env + "-" + zoneLetters[s.zone] + "-" + strconv.Itoa(1+w.rng.IntN(20))
	s.tags = append(tagSet{{"Name", name}}, w.appTags(a, app)...)
	s.groups = w.pickGroups(a, region, 1+w.rng.IntN(2))
	return s
}

// addInstance adds an instance and its volumes, each encrypted or not.
func (w *World) addInstance(a *account, region string, s *instanceState, born, at time.Time, encrypted ...bool) *thing {
	t := &thing{kind: kindInstance, account: a, region: region, id: awsID("i-", w.rng.Uint64()), born: born}
	s.changed = born
	app := w.appTags(a, s.tags.get("application"))
	for n, e := range encrypted {
		v := w.newVolume(app, s.zone, e)
		v.instance, v.device, v.attached, v.dies = t, deviceName(n), born, n == 0 || often(w.rng, 0.5)
		if n == 0 {
			v.snapshot = awsID("snap-", mix(hashText(s.image)))
		}
		s.attached = append(s.attached, attachment{w.addVolume(a, region, born, v, at), v.device, born, v.dies})
	}
	return w.add(t, s, at)
}

func (w *World) seedInstance(a *account, region string) {
	s := w.newInstance(a, region, pick(w.rng, a.apps))
	encrypted := []bool{!often(w.rng, 0.06*a.careless)}
	if often(w.rng, 0.25) {
		encrypted = append(encrypted, !often(w.rng, 0.05*a.careless))
	}
	born := w.past(400)
	t := w.addInstance(a, region, s, born, w.start, encrypted...)
	if often(w.rng, 0.08) {
		// The state is the world's already, but nobody has read it yet.
		s.stopped, s.changed = true, born.Add(w.span(time.Minute, w.start.Sub(t.born)))
	}
}
