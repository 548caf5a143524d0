package sim

import (
	"strconv"
)

// instancesItem is how EC2 names one instance in a request.
func instancesItem(t *thing) string {
	return `{"instancesSet":{"items":[{"instanceId":"` + t.id + `"}]}`
}

// stateChange is EC2's answer to a start, a stop and a termination.
func (c *scene) stateChange(t *thing, from, to string) string {
	code := map[string]string{"pending": "0", "running": "16", "shutting-down": "32", "stopping": "64", "stopped": "80"}
	return `{"requestId":"` + uuid(c.w.rng) + `","instancesSet":{"items":[{"instanceId":"` + t.id +
		`","currentState":{"code":` + code[to] + `,"name":"` + to + `"},"previousState":{"code":` + code[from] + `,"name":"` + from + `"}}]}}`
}

func launch(m move, encrypted bool) *move {
	m.kind, m.birth = kindInstance, true
	m.do = func(c *scene, _ *thing) *thing {
		w, a := c.w, c.account
		region := pick(w.rng, a.Regions)
		s := w.newInstance(a, region, pick(w.rng, a.apps))
		t := w.addInstance(a, region, s, c.now(), c.at, encrypted)
		for _, v := range s.attached {
			v.volume.passing = true
		}
		c.runInstances(t, s)
		return c.made(t)
	}
	return &m
}

var instanceMoves = []*move{
	launch(move{id: "instance-launch", title: "Launch an instance", weight: 5, by: byScaling}, true),
	launch(move{
		id: "instance-launch-unencrypted", title: "Launch an instance with an unencrypted volume", bad: true, shown: true,
		policy: "EC2UnencryptedEBS", undo: "instance-terminate", weight: 7, by: byPeople,
	}, false),
	{
		id: "instance-terminate", title: "Terminate an instance with an unencrypted volume", kind: kindInstance, shown: true,
		policy: "EC2UnencryptedEBS", weight: 1, by: byScaling,
		able: able(func(_ *World, t *thing, _ *instanceState) string {
			return unless(!t.passing, "it is protected from termination")
		}),
		best: func(_ *World, t *thing) bool { return t.now.(*instanceState).unencrypted() },
		do: func(c *scene, t *thing) *thing {
			s := t.now.(*instanceState)
			from := "running"
			if s.stopped {
				from = "stopped"
			}
			c.call(ec2Call("TerminateInstances", t.region, instancesItem(t)+`}`, c.stateChange(t, from, "shutting-down")))
			for _, a := range s.attached {
				v, ok := a.volume.now.(*volumeState)
				if !ok {
					continue
				}
				if v.dies {
					c.remove(a.volume)
					continue
				}
				left := *v
				left.instance, left.device = nil, ""
				c.set(a.volume, &left)
				if a.volume.passing {
					// Nobody needs it any more, and the world has to stay its size.
					c.made(a.volume)
				}
			}
			c.remove(t)
			return t
		},
	},
	{
		id: "instance-stop", title: "Stop an instance", kind: kindInstance, weight: 3, load: true, by: byMany,
		able: able(func(_ *World, _ *thing, s *instanceState) string {
			return unless(s.stopped, "it is stopped already")
		}),
		do: change(func(c *scene, t *thing, old *instanceState) *instanceState {
			s := *old
			s.stopped, s.changed = true, c.now()
			c.call(ec2Call("StopInstances", t.region, instancesItem(t)+`,"force":false}`, c.stateChange(t, "running", "stopping")))
			return &s
		}),
	},
	{
		id: "instance-start", title: "Start an instance", kind: kindInstance, weight: 3, load: true, by: byMany,
		able: able(func(_ *World, _ *thing, s *instanceState) string {
			return unless(!s.stopped, "it is running already")
		}),
		do: change(func(c *scene, t *thing, old *instanceState) *instanceState {
			s := *old
			s.stopped, s.changed = false, c.now()
			c.call(ec2Call("StartInstances", t.region, instancesItem(t)+`}`, c.stateChange(t, "stopped", "pending")))
			return &s
		}),
	},
	{
		id: "instance-metadata", title: "Require or relax IMDSv2", kind: kindInstance, weight: 3, load: true, by: byMany,
		able: able(func(*World, *thing, *instanceState) string { return "" }),
		do: change(func(c *scene, t *thing, old *instanceState) *instanceState {
			s := *old
			s.tokens = !s.tokens
			tokens := "optional"
			if s.tokens {
				tokens = "required"
			}
			c.call(ec2Call("ModifyInstanceMetadataOptions", t.region,
				`{"ModifyInstanceMetadataOptionsRequest":{"InstanceId":"`+t.id+`","HttpTokens":"`+tokens+`","HttpEndpoint":"enabled"}}`,
				`{"ModifyInstanceMetadataOptionsResponse":{"instanceId":"`+t.id+`","instanceMetadataOptions":{"state":"pending","httpTokens":"`+tokens+
					`","httpPutResponseHopLimit":2,"httpEndpoint":"enabled"},"requestId":"`+uuid(c.w.rng)+`"}}`))
			return &s
		}),
	},
	{
		id: "instance-tag", title: "Change an instance's tags", kind: kindInstance, weight: 4, load: true, by: byPipelines,
		able: able(func(*World, *thing, *instanceState) string { return "" }),
		do: change(func(c *scene, t *thing, old *instanceState) *instanceState {
			s := *old
			s.tags = c.createTag(t, s.tags)
			return &s
		}),
	},
}

// runInstances records a launch. The answer comes before the volumes are
// there, so that no event names them.
func (c *scene) runInstances(t *thing, s *instanceState) {
	a := t.account
	root := s.attached[0].volume.now.(*volumeState)
	request := &writer{}
	request.object("")
	request.raw("instancesSet", `{"items":[{"imageId":"`+s.image+`","minCount":1,"maxCount":1}]}`)
	request.text("instanceType", s.class)
	request.raw("blockDeviceMapping", `{"items":[{"deviceName":"`+rootDevice+`","ebs":{"volumeSize":`+strconv.Itoa(root.size)+
		`,"deleteOnTermination":true,"volumeType":"`+root.class+`","encrypted":`+strconv.FormatBool(root.encrypted)+`}}]}`)
	request.text("subnetId", a.subnetID(t.region, s.zone, s.public))
	request.raw("monitoring", `{"enabled":`+strconv.FormatBool(s.monitored)+`}`)
	request.bool("disableApiTermination", false)
	request.bool("disableApiStop", false)
	request.bool("ebsOptimized", true)
	request.text("clientToken", uuid(c.w.rng))
	request.raw("tagSpecificationSet", `{"items":[{"resourceType":"instance","tags":`+eventTags(s.tags, "key", "value")+`}]}`)
	request.end()

	private := a.privateIP(s.zone, t.hash)
	w := &writer{}
	w.object("")
	w.texts("requestId", uuid(c.w.rng), "reservationId", awsID("r-", mix(t.hash^3)), "ownerId", a.ID)
	w.raw("groupSet", "{}")
	w.object("instancesSet")
	w.array("items")
	w.object("")
	w.texts("instanceId", t.id, "imageId", s.image)
	w.raw("instanceState", `{"code":0,"name":"pending"}`)
	w.texts("privateDnsName", privateName(private, t.region))
	w.int("amiLaunchIndex", 0)
	w.raw("productCodes", "{}")
	w.text("instanceType", s.class)
	w.int("launchTime", t.born.UnixMilli())
	w.raw("placement", `{"availabilityZone":"`+zoneName(t.region, s.zone)+`","tenancy":"default"}`)
	w.raw("monitoring", `{"state":"`+map[bool]string{true: "pending", false: "disabled"}[s.monitored]+`"}`)
	w.texts("subnetId", a.subnetID(t.region, s.zone, s.public), "vpcId", a.vpcID(t.region), "privateIpAddress", private)
	w.raw("stateReason", `{"code":"pending","message":"pending"}`)
	w.texts("architecture", "x86_64", "rootDeviceType", "ebs", "rootDeviceName", rootDevice)
	w.raw("blockDeviceMapping", "{}")
	w.texts("virtualizationType", "hvm", "hypervisor", "xen")
	w.raw("tagSet", `{"items":`+eventTags(s.tags, "key", "value")+`}`)
	w.object("groupSet")
	w.array("items")
	for _, g := range s.groups {
		w.object("")
		w.texts("groupId", g.id, "groupName", g.name)
		w.end()
	}
	w.endArray()
	w.end()
	w.bool("sourceDestCheck", true)
	w.bool("ebsOptimized", true)
	w.bool("enaSupport", true)
	w.raw("capacityReservationSpecification", `{"capacityReservationPreference":"open"}`)
	w.raw("enclaveOptions", `{"enabled":false}`)
	w.raw("cpuOptions", `{"coreCount":1,"threadsPerCore":2}`)
	w.raw("metadataOptions", `{"state":"pending","httpTokens":"`+map[bool]string{true: "required", false: "optional"}[s.tokens]+
		`","httpPutResponseHopLimit":2,"httpEndpoint":"enabled","httpProtocolIpv4":"enabled","httpProtocolIpv6":"disabled","instanceMetadataTags":"disabled"}`)
	w.raw("maintenanceOptions", `{"autoRecovery":"default"}`)
	w.end()
	w.endArray()
	w.end()
	w.end()
	c.call(ec2Call("RunInstances", t.region, string(request.b), string(w.b)))
}
