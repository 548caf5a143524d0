package sim

import "strconv"

// answer is a DBInstance as RDS's answers have it in CloudTrail.
func (s *databaseState) answer(t *thing) string {
	w := &writer{b: make([]byte, 0, 3<<10)}
	w.object("")
	s.writeDatabase(w, t, lowered)
	w.end()
	return string(w.b)
}

func rdsCall(name string, t *thing, more, response string) call {
	return call{
		source: rdsSource, name: name, region: t.region, response: response,
		request: `{"dBInstanceIdentifier":"` + t.id + `"` + more + `}`,
	}
}

// setPublic moves a database into or out of the reach of the internet.
func setPublic(m move, public bool) *move {
	m.kind, m.policy, m.bad, m.shown, m.load = kindDatabase, "RDSPublicAccess", public, true, true
	m.able = able(func(_ *World, _ *thing, s *databaseState) string {
		switch {
		case public && s.public:
			return "it is publicly accessible already"
		case !public && !s.public:
			return "it is not publicly accessible"
		}
		return ""
	})
	m.do = change(func(c *scene, t *thing, old *databaseState) *databaseState {
		s := *old
		s.public = public
		// The answer is the database as it was; the change is pending in it.
		c.call(rdsCall("ModifyDBInstance", t, `,"publiclyAccessible":`+strconv.FormatBool(public)+`,"applyImmediately":true,"allowMajorVersionUpgrade":false`, old.answer(t)))
		return &s
	})
	return &m
}

var databaseMoves = []*move{
	setPublic(move{id: "database-public", title: "Make a database publicly accessible", undo: "database-private", weight: 7, by: byMany}, true),
	setPublic(move{id: "database-private", title: "Make a database private", weight: 2, by: byMenders}, false),
	{
		id: "database-backups", title: "Change how long a database's backups are kept", kind: kindDatabase, weight: 2, load: true, by: byPipelines,
		able: able(func(*World, *thing, *databaseState) string { return "" }),
		do: change(func(c *scene, t *thing, old *databaseState) *databaseState {
			s := *old
			s.backupDays = s.backupDays%35 + 1
			c.call(rdsCall("ModifyDBInstance", t, `,"backupRetentionPeriod":`+strconv.Itoa(s.backupDays)+`,"applyImmediately":true,"allowMajorVersionUpgrade":false`, old.answer(t)))
			return &s
		}),
	},
	{
		id: "database-tag", title: "Change a database's tags", kind: kindDatabase, weight: 1, load: true, by: byPipelines,
		able: able(func(*World, *thing, *databaseState) string { return "" }),
		do: change(func(c *scene, t *thing, old *databaseState) *databaseState {
			s := *old
			k, v := nextTag(c, s.tags)
			s.tags = s.tags.with(k, v)
			c.call(call{
				source: rdsSource, name: "AddTagsToResource", region: t.region,
				request: `{"resourceName":"` + t.arn + `","tags":[{"key":"` + k + `","value":"` + v + `"}]}`,
			})
			return &s
		}),
	},
	{
		id: "database-create", title: "Create a database", kind: kindDatabase, birth: true, weight: 1, by: byPipelines,
		do: func(c *scene, _ *thing) *thing {
			w, a := c.w, c.account
			app, region := pick(w.rng, a.apps), pick(w.rng, a.Regions)
			s := w.newDatabase(a, region, app)
			t := w.addDatabase(a, region, app, c.now(), s, c.at)
			e := engines[s.engine]
			c.call(rdsCall("CreateDBInstance", t, `,"allocatedStorage":`+strconv.Itoa(s.storage)+`,"dBInstanceClass":"`+s.class+`","engine":"`+e.name+
				`","engineVersion":"`+e.version+`","masterUsername":"`+e.user+`","masterUserPassword":"****","storageEncrypted":true,"publiclyAccessible":false,"multiAZ":`+
				strconv.FormatBool(s.multiAZ)+`,"backupRetentionPeriod":`+strconv.Itoa(s.backupDays), s.answer(t)))
			return c.made(t)
		},
	},
	{
		id: "database-delete", title: "Delete a database made here", kind: kindDatabase, weight: 1, by: byPipelines,
		able: able(func(_ *World, t *thing, _ *databaseState) string {
			return unless(!t.passing, "it holds data")
		}),
		do: func(c *scene, t *thing) *thing {
			s := t.now.(*databaseState)
			c.call(rdsCall("DeleteDBInstance", t, `,"skipFinalSnapshot":true,"deleteAutomatedBackups":true`, s.answer(t)))
			c.remove(t)
			return t
		},
	},
}
