package sim

import (
	"time"
)

type volumeState struct {
	size      int // GiB
	class     string
	zone      int
	encrypted bool
	snapshot  string // it was made from; empty if none
	instance  *thing // it is attached to; nil if none
	device    string
	attached  time.Time
	dies      bool // deleted with its instance
	tags      tagSet
}

// attachedVolume is a volume and its state as one read sees them.
type attachedVolume struct {
	t *thing
	s *volumeState
}

func (s *volumeState) failing(judgement, func(string)) {}

func (s *volumeState) write(d *document) {
	if d.member("Volume") {
		s.writeVolume(&d.writer, "Volume", d.t)
	}
}

func (s *volumeState) writeVolume(w *writer, name string, t *thing) {
	w.object(name)
	w.array("Attachments")
	if s.instance != nil {
		w.object("")
		w.time("AttachTime", s.attached)
		w.bool("DeleteOnTermination", s.dies)
		w.texts("Device", s.device, "InstanceId", s.instance.id, "State", "attached", "VolumeId", t.id)
		w.end()
	}
	w.endArray()
	w.text("AvailabilityZone", zoneName(t.region, s.zone))
	w.time("CreateTime", t.born)
	w.bool("Encrypted", s.encrypted)
	if s.encrypted {
		w.text("KmsKeyId", t.account.keyARN(t.region))
	}
	if s.class == "gp3" {
		w.int("Iops", 3000)
		w.int("Throughput", 125)
	} else {
		w.int("Iops", int64(max(100, 3*s.size)))
	}
	w.bool("MultiAttachEnabled", false)
	w.int("Size", int64(s.size))
	w.text("SnapshotId", s.snapshot)
	if s.instance != nil {
		w.text("State", "in-use")
	} else {
		w.text("State", "available")
	}
	w.text("VolumeId", t.id)
	w.text("VolumeType", s.class)
	w.writeTags("Tags", s.tags)
	w.end()
}

func (w *World) addVolume(a *account, region string, born time.Time, s *volumeState, at time.Time) *thing {
	return w.add(&thing{kind: kindVolume, account: a, region: region, id: awsID("vol-", w.rng.Uint64()), born: born}, s, at)
}

func (w *World) newVolume(app tagSet, zone int, encrypted bool) *volumeState {
	return &volumeState{
		size: pick(w.rng, []int{8, 20, 30, 50, 100, 200, 500}), class: pick(w.rng, []string{"gp3", "gp3", "gp3", "gp2"}),
		zone: zone, encrypted: encrypted, tags: app,
	}
}

// seedVolume makes a volume that is attached to nothing.
func (w *World) seedVolume(a *account, region string) {
	s := w.newVolume(w.appTags(a, pick(w.rng, a.apps)), w.rng.IntN(3), !often(w.rng, 0.1*a.careless))
	w.addVolume(a, region, w.past(900), s, w.start)
}
