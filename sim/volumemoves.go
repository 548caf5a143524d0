package sim

import (
	"slices"
	"strconv"
)

var volumeMoves = []*move{
	{
		id: "volume-create", title: "Create a volume", kind: kindVolume, birth: true, weight: 3, by: byMany,
		do: func(c *scene, _ *thing) *thing {
			w, a := c.w, c.account
			region := pick(w.rng, a.Regions)
			s := w.newVolume(w.appTags(a, pick(w.rng, a.apps)), w.rng.IntN(3), !often(w.rng, 0.3*a.careless))
			t := w.addVolume(a, region, c.now(), s, c.at)
			more := ""
			if s.encrypted {
				more = `,"kmsKeyId":"` + a.keyARN(region) + `"`
			}
			tags := eventTags(s.tags, "key", "value")
			c.call(ec2Call("CreateVolume", region,
				`{"zone":"`+zoneName(region, s.zone)+`","size":"`+strconv.Itoa(s.size)+`","volumeType":"`+s.class+`","encrypted":`+strconv.FormatBool(s.encrypted)+more+
					`,"tagSpecificationSet":{"items":[{"resourceType":"volume","tags":`+tags+`}]}}`,
				`{"requestId":"`+uuid(w.rng)+`","volumeId":"`+t.id+`","size":"`+strconv.Itoa(s.size)+`","zone":"`+zoneName(region, s.zone)+
					`","status":"creating","createTime":`+strconv.FormatInt(t.born.UnixMilli(), 10)+`,"volumeType":"`+s.class+`","encrypted":`+strconv.FormatBool(s.encrypted)+more+
					`,"multiAttachEnabled":false,"tagSet":{"items":`+tags+`}}`))
			return c.made(t)
		},
	},
	{
		id: "volume-attach", title: "Attach a volume to an instance", kind: kindVolume, weight: 2, by: byMany,
		able: able(func(w *World, t *thing, s *volumeState) string {
			if s.instance != nil {
				return "it is attached already"
			}
			return unless(w.host(t, s) == nil, "there is no instance in its zone")
		}),
		do: func(c *scene, t *thing) *thing {
			v := *t.now.(*volumeState)
			host := c.w.host(t, &v)
			i := host.now.(*instanceState).clone()
			v.instance, v.device, v.attached, v.dies = host, i.freeDevice(), c.now(), false
			i.attached = append(i.attached, attachment{t, v.device, v.attached, false})
			c.call(ec2Call("AttachVolume", t.region,
				`{"volumeId":"`+t.id+`","instanceId":"`+host.id+`","device":"`+v.device+`","deleteOnTermination":false}`,
				`{"requestId":"`+uuid(c.w.rng)+`","volumeId":"`+t.id+`","instanceId":"`+host.id+`","device":"`+v.device+
					`","status":"attaching","attachTime":`+strconv.FormatInt(v.attached.UnixMilli(), 10)+`}`))
			c.set(t, &v)
			c.set(host, i)
			return t
		},
	},
	{
		id: "volume-detach", title: "Detach a volume from an instance", kind: kindVolume, weight: 2, by: byMany,
		able: able(func(_ *World, _ *thing, s *volumeState) string {
			if s.instance == nil {
				return "it is attached to nothing"
			}
			return unless(s.device == rootDevice, "it is the root volume")
		}),
		do: func(c *scene, t *thing) *thing {
			v := *t.now.(*volumeState)
			host := v.instance
			i := host.now.(*instanceState).clone()
			i.attached = slices.DeleteFunc(i.attached, func(a attachment) bool { return a.volume == t })
			c.call(ec2Call("DetachVolume", t.region, `{"volumeId":"`+t.id+`","instanceId":"`+host.id+`","device":"`+v.device+`","force":false}`,
				`{"requestId":"`+uuid(c.w.rng)+`","volumeId":"`+t.id+`","instanceId":"`+host.id+`","device":"`+v.device+
					`","status":"detaching","attachTime":`+strconv.FormatInt(v.attached.UnixMilli(), 10)+`}`))
			v.instance, v.device = nil, ""
			c.set(t, &v)
			c.set(host, i)
			return t
		},
	},
	{
		id: "volume-tag", title: "Change a volume's tags", kind: kindVolume, weight: 2, load: true, by: byPipelines,
		able: able(func(*World, *thing, *volumeState) string { return "" }),
		do: change(func(c *scene, t *thing, old *volumeState) *volumeState {
			s := *old
			s.tags = c.createTag(t, s.tags)
			return &s
		}),
	},
	{
		id: "volume-delete", title: "Delete a volume made here", kind: kindVolume, weight: 3, by: byMany,
		able: able(func(_ *World, t *thing, s *volumeState) string {
			if s.instance != nil {
				return "it is attached"
			}
			return unless(!t.passing, "somebody may need it")
		}),
		do: func(c *scene, t *thing) *thing {
			c.call(ec2Call("DeleteVolume", t.region, `{"volumeId":"`+t.id+`"}`, `{"requestId":"`+uuid(c.w.rng)+`","_return":true}`))
			c.remove(t)
			return t
		},
	},
}

// mostVolumes keeps a long run from hanging volume after volume on one
// instance.
const mostVolumes = 4

// host is an instance that could take a volume: always the same one for the
// same world; nil if there is none.
func (w *World) host(t *thing, s *volumeState) *thing {
	for _, i := range w.byPlace[place{kindInstance, t.account.n, t.region}] {
		if is, ok := i.now.(*instanceState); ok && is.zone == s.zone && len(is.attached) < mostVolumes {
			return i
		}
	}
	return nil
}
