package resources

import (
	"slices"
	"strings"
	"testing"
)

// A reference leads from a member that the document has to a type that there is.
func TestReferences(t *testing.T) {
	for _, typ := range All() {
		for _, r := range typ.References {
			member, _, _ := strings.Cut(r.Path, ".")
			if !slices.Contains(typ.Members, member) {
				t.Errorf("%s refers by %s, and its documents have the members %v", typ.Name, r.Path, typ.Members)
			}
			if tie, _, _ := strings.Cut(r.Tie, "."); r.Tie != "" && !slices.Contains(typ.Members, tie) {
				t.Errorf("%s is tied by %s, and its documents have the members %v", typ.Name, r.Tie, typ.Members)
			}
			if _, ok := Find(r.Type); !ok {
				t.Errorf("%s refers to %s, which there is not", typ.Name, r.Type)
			}
		}
	}
}

func TestRelated(t *testing.T) {
	instance, _ := Find("AWS::EC2::Instance")
	volume, _ := Find("AWS::EC2::Volume")
	ref := instance.Ref("111122223333", "eu-west-1", "i-1")
	const (
		none    = `{"Instance":{}}`
		running = `{"Instance":{"State":"running","BlockDeviceMappings":[{"Ebs":{"VolumeId":"vol-1","DeleteOnTermination":true}}]},"Volumes":[{"VolumeId":"vol-1"}]}`
		stopped = `{"Instance":{"State":"stopped","BlockDeviceMappings":[{"Ebs":{"VolumeId":"vol-1","DeleteOnTermination":true}}]},"Volumes":[{"VolumeId":"vol-1","Tags":[]}]}`
		kept    = `{"Instance":{"State":"running","BlockDeviceMappings":[{"Ebs":{"VolumeId":"vol-1","DeleteOnTermination":false}}]},"Volumes":[{"VolumeId":"vol-1"}]}`
		early   = `{"Instance":{"State":"running","BlockDeviceMappings":[{"Ebs":{"VolumeId":"vol-1","DeleteOnTermination":true}}]},"Volumes":[]}`
		other   = `{"Instance":{"State":"running","BlockDeviceMappings":[{"Ebs":{"VolumeId":"vol-2"}}]},"Volumes":[{"VolumeId":"vol-2"}]}`
		odd     = `{"Instance":{},"Volumes":[{"VolumeId":"vol-1"},{"VolumeId":"vol-2"},{"VolumeId":"vol-1"},{"VolumeId":""},{"VolumeId":7},{}]}`
	)
	for _, c := range []struct {
		title, before, after string
		want                 []string
	}{
		{"it comes", "", running, []string{"vol-1"}},
		{"it goes", running, "", []string{"vol-1"}},
		{"it comes without", "", none, nil},
		{"nothing of theirs changes", running, stopped, nil},
		{"how they are tied changes", running, kept, []string{"vol-1"}},
		{"they come to be seen", early, running, []string{"vol-1"}},
		{"one goes and one comes", running, other, []string{"vol-2", "vol-1"}},
		{"all go", running, none, []string{"vol-1"}},
		{"ids that are odd", "", odd, []string{"vol-1", "vol-2"}},
	} {
		var got []string
		for _, r := range instance.Related(ref, []byte(c.before), []byte(c.after)) {
			if r.Key() != volume.Ref("111122223333", "eu-west-1", r.ID).Key() {
				t.Errorf("%s: leads to %+v", c.title, r)
			}
			got = append(got, r.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: leads to %v, want %v", c.title, got, c.want)
		}
	}
	// Documents of the same ties lead to the same: what a worker goes by that has
	// only the digest of the one before.
	same := 0
	documents := []string{none, running, stopped, kept, early, other, odd}
	for _, before := range documents {
		for _, after := range documents {
			if instance.Ties([]byte(before)) != instance.Ties([]byte(after)) {
				continue
			}
			same++
			was, is := instance.Related(ref, []byte(before), []byte(after)), instance.Related(ref, []byte(after), []byte(after))
			if !slices.Equal(was, is) {
				t.Errorf("from %s to %s: leads to %v, and by the ties to %v", before, after, was, is)
			}
		}
	}
	if same != len(documents)+2 { // running and stopped, either way
		t.Errorf("%d pairs of documents have the same ties", same)
	}
	if bucket, _ := Find("AWS::S3::Bucket"); bucket.Ties([]byte(`{"Volumes":[]}`)) != "" {
		t.Error("a bucket refers to nothing and has ties")
	}
	i := instance.Ref("111122223333", "eu-west-1", "i-1")
	v := volume.Ref("111122223333", "eu-west-1", "vol-1")
	tagged := volume.Related(v, []byte(`{"Volume":{"Attachments":[{"InstanceId":"i-1"}]}}`), []byte(`{"Volume":{"Attachments":[{"InstanceId":"i-1"}],"Tags":[]}}`))
	if len(tagged) != 1 || tagged[0].Key() != i.Key() {
		t.Errorf("a volume's tags, which the document of its instance has as well, lead to %v", tagged)
	}
}
