package sim

// shares say how many of a hundred resources are of each kind. Accounts and
// the volumes of instances come with the others.
var shares = []struct {
	kind  kind
	share int
}{
	{kindBucket, 22}, {kindGroup, 13}, {kindInstance, 20}, {kindPolicy, 10},
	{kindUser, 9}, {kindDatabase, 4}, {kindVolume, 4},
}

// populate makes about n resources, the accounts among them.
func (w *World) populate(n int) {
	for _, a := range w.accounts {
		w.seedAccount(a)
	}
	total := 0
	for _, s := range shares {
		total += s.share
		if s.kind == kindInstance {
			total += s.share * 5 / 4 // an instance brings 1.25 volumes
		}
	}
	rest := n - len(w.accounts)
	for _, s := range shares {
		for i := range max(rest*s.share/total, 1) {
			// The first of each kind go around the accounts, so that none is bare.
			a := w.accounts[i%len(w.accounts)]
			if i >= 2*len(w.accounts) {
				a = pick(w.rng, w.accounts)
			}
			w.seedOne(s.kind, a)
		}
	}
	w.ensureFindings()
}

func (w *World) seedOne(k kind, a *account) {
	switch region := pick(w.rng, a.Regions); k {
	case kindBucket:
		w.seedBucket(a)
	case kindUser:
		w.seedUser(a)
	case kindPolicy:
		w.seedPolicy(a)
	case kindInstance:
		w.seedInstance(a, region)
	case kindVolume:
		w.seedVolume(a, region)
	case kindGroup:
		w.seedGroup(a, region)
	case kindDatabase:
		w.seedDatabase(a, region)
	}
}

// ensureFindings breaks something for each policy that a small world happens
// to obey, so that every one has a finding from the beginning.
func (w *World) ensureFindings() {
	found := map[string]bool{}
	for _, e := range w.expect(w.start, true) {
		found[e.Policy] = true
	}
	for _, m := range moves {
		if !m.bad || m.policy == "" || found[m.policy] {
			continue
		}
		var t *thing
		a := pick(w.rng, w.accounts)
		if !m.birth {
			if t = w.candidate(m, nil); t == nil {
				continue
			}
			a = t.account
		}
		_, t = w.play(m, t, w.person(a), w.start)
		for _, policy := range w.failingOf(t, w.start, true) {
			found[policy] = true
		}
	}
}
