package sim

import (
	"cmp"
	"strconv"
	"time"
)

type databaseState struct {
	engine     int // index into engines
	class      string
	storage    int // GiB
	zone       int
	public     bool
	encrypted  bool
	multiAZ    bool
	backupDays int
	protected  bool   // against deletion
	status     string // while AWS is at work on it
	groups     []*thing
	tags       tagSet
}

// engine of a database, with what AWS's answers say of it.
type engine struct {
	name, version, license, family, options, user string
	port                                          int
}

var engines = []engine{
	{"postgres", "16.4", "postgresql-license", "default.postgres16", "default:postgres-16", "app", 5432},
	{"mysql", "8.0.39", "general-public-license", "default.mysql8.0", "default:mysql-8-0", "admin", 3306},
	{"mariadb", "10.11.9", "general-public-license", "default.mariadb10.11", "default:mariadb-10-11", "admin", 3306},
}

// atWork is what is to be seen while AWS brings something from one state, nil
// before it is made, to the next, nil once it is deleted; nil for what takes no
// time, which is all but the settings of a database.
func atWork(from, to state) state {
	before, was := from.(*databaseState)
	after, is := to.(*databaseState)
	var s databaseState
	switch {
	case was && is:
		if before.public == after.public && before.backupDays == after.backupDays {
			return nil // tags
		}
		s = *before
		s.status, s.tags = "modifying", after.tags
	case was:
		s = *before
		s.status = "deleting"
	case is:
		s = *after
		s.status = "creating"
	default:
		return nil
	}
	return &s
}

func (s *databaseState) failing(_ judgement, fail func(string)) {
	if s.public {
		fail("RDSPublicAccess")
	}
}

func (s *databaseState) write(d *document) {
	if d.member("DBInstance") {
		d.object("DBInstance")
		s.writeDatabase(&d.writer, d.t, titled)
		d.end()
	}
}

// spelling is how AWS writes a member's name: capital in answers, with the
// first letter lowered in CloudTrail, as dBInstanceIdentifier shows.
type spelling func(name string) string

func titled(name string) string { return name }

func lowered(name string) string { return string(name[0]|0x20) + name[1:] }

// writeDatabase writes the members of a DBInstance, as DescribeDBInstances
// and the answers that CloudTrail records have them.
func (s *databaseState) writeDatabase(w *writer, t *thing, as spelling) {
	e, a, h := engines[s.engine], t.account, t.hash
	text := func(name, value string) { w.text(as(name), value) }
	truth := func(name string, value bool) { w.bool(as(name), value) }
	number := func(name string, value int) { w.int(as(name), int64(value)) }
	when := func(name string, value time.Time) {
		if as("A") == "A" {
			w.time(name, value)
		} else {
			w.text(as(name), value.UTC().Format(cloudTrailDate))
		}
	}
	number("AllocatedStorage", s.storage)
	w.raw(as("AssociatedRoles"), "[]")
	truth("AutoMinorVersionUpgrade", true)
	text("AvailabilityZone", zoneName(t.region, s.zone))
	number("BackupRetentionPeriod", s.backupDays)
	text("BackupTarget", "region")
	text("CACertificateIdentifier", "rds-ca-rsa2048-g1")
	truth("CopyTagsToSnapshot", true)
	truth("CustomerOwnedIpEnabled", false)
	text("DBInstanceArn", t.arn)
	text("DBInstanceClass", s.class)
	text("DBInstanceIdentifier", t.id)
	text("DBInstanceStatus", cmp.Or(s.status, "available"))
	text("DBName", s.tags.get("application"))
	w.array(as("DBParameterGroups"))
	w.object("")
	w.texts(as("DBParameterGroupName"), e.family, as("ParameterApplyStatus"), "in-sync")
	w.end()
	w.endArray()
	w.raw(as("DBSecurityGroups"), "[]")
	s.writeSubnets(w, t, as)
	// The one name that CloudTrail and the answer spell alike but for case.
	number("DbInstancePort", 0)
	text("DbiResourceId", uniqueID("db-", mix(h), 26))
	truth("DeletionProtection", s.protected)
	w.raw(as("DomainMemberships"), "[]")
	w.object(as("Endpoint"))
	w.texts(as("Address"), t.id+".c"+lower(uniqueID("", mix(a.hash^hashText(t.region)), 11))+"."+t.region+".rds.amazonaws.com",
		as("HostedZoneId"), "Z"+uniqueID("", mix(hashText(t.region)), 13))
	w.int(as("Port"), int64(e.port))
	w.end()
	text("Engine", e.name)
	text("EngineVersion", e.version)
	truth("IAMDatabaseAuthenticationEnabled", false)
	when("InstanceCreateTime", t.born)
	if s.encrypted {
		text("KmsKeyId", a.keyARN(t.region))
	}
	text("LicenseModel", e.license)
	text("MasterUsername", e.user)
	number("MaxAllocatedStorage", 1000)
	number("MonitoringInterval", 60)
	text("MonitoringRoleArn", "arn:aws:iam::"+a.ID+":role/rds-monitoring-role")
	truth("MultiAZ", s.multiAZ)
	text("NetworkType", "IPV4")
	w.array(as("OptionGroupMemberships"))
	w.object("")
	w.texts(as("OptionGroupName"), e.options, as("Status"), "in-sync")
	w.end()
	w.endArray()
	w.raw(as("PendingModifiedValues"), "{}")
	truth("PerformanceInsightsEnabled", s.storage > 100)
	text("PreferredBackupWindow", clockAt(h)+"-"+clockAt(h+30))
	text("PreferredMaintenanceWindow", "sun:"+clockAt(h+90)+"-sun:"+clockAt(h+120))
	truth("PubliclyAccessible", s.public)
	w.raw(as("ReadReplicaDBInstanceIdentifiers"), "[]")
	truth("StorageEncrypted", s.encrypted)
	number("StorageThroughput", 125)
	text("StorageType", "gp3")
	w.array(as("TagList"))
	for _, tg := range s.tags {
		w.object("")
		w.texts(as("Key"), tg.key, as("Value"), tg.value)
		w.end()
	}
	w.endArray()
	w.array(as("VpcSecurityGroups"))
	for _, g := range s.groups {
		w.object("")
		w.texts(as("Status"), "active", as("VpcSecurityGroupId"), g.id)
		w.end()
	}
	w.endArray()
}

func (s *databaseState) writeSubnets(w *writer, t *thing, as spelling) {
	w.object(as("DBSubnetGroup"))
	w.texts(as("DBSubnetGroupDescription"), "managed by terraform", as("DBSubnetGroupName"), "main-"+t.region, as("SubnetGroupStatus"), "Complete")
	w.array(as("Subnets"))
	for zone := range zoneLetters {
		w.object("")
		w.object(as("SubnetAvailabilityZone"))
		w.text(as("Name"), zoneName(t.region, zone))
		w.end()
		w.text(as("SubnetIdentifier"), t.account.subnetID(t.region, zone, s.public))
		w.raw(as("SubnetOutpost"), "{}")
		w.text(as("SubnetStatus"), "Active")
		w.end()
	}
	w.endArray()
	w.text(as("VpcId"), t.account.vpcID(t.region))
	w.end()
}

// clockAt is a time of day, hh:mm.
func clockAt(minutes uint64) string {
	m := minutes % (24 * 60)
	return string([]byte{'0' + byte(m/600), '0' + byte(m/60%10), ':', '0' + byte(m%60/10), '0' + byte(m%10)})
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

var databaseRoles = []string{"main", "orders", "sessions", "audit", "jobs", "prices"}

func (w *World) newDatabase(a *account, region, app string) *databaseState {
	s := &databaseState{
		engine: w.rng.IntN(len(engines)), class: pick(w.rng, []string{"db.t4g.medium", "db.m6g.large", "db.r6g.large"}),
		storage: pick(w.rng, []int{20, 50, 100, 200}), zone: w.rng.IntN(3), encrypted: true,
		multiAZ: a.env == "prod", backupDays: 7, protected: a.env == "prod", tags: w.appTags(a, app),
	}
	s.groups = w.pickGroups(a, region, 1)
	return s
}

func (w *World) addDatabase(a *account, region, app string, born time.Time, s *databaseState, at time.Time) *thing {
	base := app + "-" + a.env + "-" + pick(w.rng, databaseRoles)
	name := base
	for n := 2; w.things[key{kind: kindDatabase, account: a.n, region: region, id: name}] != nil; n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	return w.add(&thing{kind: kindDatabase, account: a, region: region, id: name, born: born}, s, at)
}

func (w *World) seedDatabase(a *account, region string) {
	app := pick(w.rng, a.apps)
	s := w.newDatabase(a, region, app)
	s.public = often(w.rng, 0.09*a.careless)
	s.encrypted = !often(w.rng, 0.05*a.careless)
	if often(w.rng, 0.1*a.careless) {
		s.backupDays, s.protected = 0, false
	}
	w.addDatabase(a, region, app, w.past(900), s, w.start)
}
