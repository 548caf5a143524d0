package sim

// tag is one tag of a resource.
type tag struct{ key, value string }

// tagSet is never changed once it is part of a state: many resources of an
// application share one.
type tagSet []tag

func (ts tagSet) get(key string) string {
	for _, t := range ts {
		if t.key == key {
			return t.value
		}
	}
	return ""
}

// with returns the set with one tag more, or with its value replaced.
func (ts tagSet) with(key, value string) tagSet {
	out := make(tagSet, 0, len(ts)+1)
	found := false
	for _, t := range ts {
		if t.key == key {
			t.value, found = value, true
		}
		out = append(out, t)
	}
	if !found {
		out = append(out, tag{key, value})
	}
	return out
}

// writeTags writes AWS's list of tags as documents spell it; nothing if there
// are none.
func (w *writer) writeTags(name string, ts tagSet) {
	if len(ts) == 0 {
		return
	}
	w.array(name)
	for _, t := range ts {
		w.object("")
		w.texts("Key", t.key, "Value", t.value)
		w.end()
	}
	w.endArray()
}

// appTags are the tags of everything that an application of an account owns.
// They are made once for each application.
func (w *World) appTags(a *account, app string) tagSet {
	if ts, ok := w.tags[app+"@"+a.ID]; ok {
		return ts
	}
	ts := tagSet{
		{"env", a.env}, {"team", a.Tags["team"]}, {"application", app},
		{"managed-by", []string{"terraform", "terraform", "cloudformation", "hand"}[mix(hashText(app))%4]},
	}
	w.tags[app+"@"+a.ID] = ts
	return ts
}
