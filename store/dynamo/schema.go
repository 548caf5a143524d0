package dynamo

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// schemaVersion is written beside the tables; Open refuses any other.
const schemaVersion = 3

// tableID names a table without the prefix.
type tableID string

// The tables.
const (
	resourcesTable   tableID = "resources"
	versionsTable    tableID = "versions"
	findingsTable    tableID = "findings"
	policiesTable    tableID = "policies"
	transitionsTable tableID = "transitions"
	countersTable    tableID = "counters"
	accountsTable    tableID = "accounts"
	summaryTable     tableID = "summary"
	locksTable       tableID = "locks"
	dirtyTable       tableID = "dirty"
	lettersTable     tableID = "dead_letters"
	jobsTable        tableID = "jobs"
	exceptionsTable  tableID = "exceptions"
	deliveriesTable  tableID = "deliveries"
	tokensTable      tableID = "tokens"
	auditTable       tableID = "audit"
	metaTable        tableID = "meta"
)

// index is a secondary index. Both keys are strings; a row without them is not
// in the index. The table's own keys are always in it.
type index struct {
	name   string
	pk, sk string
	// with names what else the index holds: what a list checks on each row.
	with []string
}

type table struct {
	pk, sk  string // sk may be empty
	indexes []index
}

// Indexes that lists read.
var (
	resourcesByPlace = index{name: "place", pk: "Shelf", sk: "Place"}
	resourcesFailing = index{name: "failing", pk: "FailShelf", sk: "Place"}
	resourcesDue     = index{name: "due", pk: "DueShelf", sk: "Due", with: []string{"Account", "Region", "Type", "Id", "Global"}}
	versionsWritten  = index{name: "written", pk: "Bucket", sk: "Written", with: []string{"Deleted"}}
	findingRow       = []string{"Resource", "Account", "Region", "Type", "Policy", "OpenedAt", "Haystack"}
	findingsAll      = index{name: "state", pk: "StateShelf", sk: "Order", with: findingRow}
	findingsByPolicy = index{name: "policy", pk: "PolicyShelf", sk: "Order", with: findingRow}
	findingsByOwner  = index{name: "account_service", pk: "AccountService", sk: "Order", with: findingRow}
	dirtyDue         = index{name: "due", pk: "Bucket", sk: "Due", with: []string{"Since"}}
	lettersNewest    = index{name: "newest", pk: "Shelf", sk: "Newest"}
	jobsNewest       = index{name: "newest", pk: "Shelf", sk: "Newest"}
	jobsOfKind       = index{name: "kind", pk: "Kind", sk: "Newest"}
	deliveriesNewest = index{name: "newest", pk: "Shelf", sk: "Newest", with: []string{"Sink"}}
	deliveriesDue    = index{name: "due", pk: "DueShelf", sk: "Due"}
	auditOfTarget    = index{name: "target", pk: "Target", sk: "Entry"}
)

// tables are all there are.
//
//	resources     one row a resource, without its document
//	versions      its history; the newest holds the present document
//	findings      one row a finding
//	policies      launches, the set of their generations, and their gates
//	transitions   what is not in the log yet (new#…), the log (log#…), the
//	              outbox, and each resource's transitions by version
//	counters      as they were at a batch of the log: totals, and by account
//	accounts      those that are watched, and what is wrong with some of them
//	exceptions    all of them, and again by the narrowest part of their scope
//	meta          version, secret, names, how far what is trimmed, counted, and
//	              the stamp of the accounts
var tables = map[tableID]table{
	resourcesTable:   {pk: "ResourceId", indexes: []index{resourcesByPlace, resourcesFailing, resourcesDue}},
	versionsTable:    {pk: "ResourceId", sk: "Version", indexes: []index{versionsWritten}},
	findingsTable:    {pk: "FindingId", indexes: []index{findingsAll, findingsByPolicy, findingsByOwner}},
	policiesTable:    {pk: "PolicyId"},
	transitionsTable: {pk: "Part", sk: "Item"},
	countersTable:    {pk: "Shelf", sk: "Name"},
	accountsTable:    {pk: "Part", sk: "AccountId"},
	summaryTable:     {pk: "Entry"},
	locksTable:       {pk: "Lock"},
	dirtyTable:       {pk: "ResourceId", indexes: []index{dirtyDue}},
	lettersTable:     {pk: "LetterId", sk: "Item", indexes: []index{lettersNewest}},
	jobsTable:        {pk: "JobId", sk: "Item", indexes: []index{jobsNewest, jobsOfKind}},
	exceptionsTable:  {pk: "Anchor", sk: "ExceptionId"},
	deliveriesTable:  {pk: "DeliveryId", indexes: []index{deliveriesNewest, deliveriesDue}},
	tokensTable:      {pk: "Part", sk: "TokenId"},
	auditTable:       {pk: "Part", sk: "Entry", indexes: []index{auditOfTarget}},
	metaTable:        {pk: "Part", sk: "Item"},
}

// Rows of the meta table.
const (
	metaPart    = "meta"
	schemaItem  = "schema"
	trimItem    = "trim"
	foldItem    = "fold"
	recountItem = "recount"
	stampItem   = "accounts"
)

func (t table) keys(x *index) []types.KeySchemaElement {
	pk, sk := t.pk, t.sk
	if x != nil {
		pk, sk = x.pk, x.sk
	}
	out := []types.KeySchemaElement{{AttributeName: aws.String(pk), KeyType: types.KeyTypeHash}}
	if sk != "" {
		out = append(out, types.KeySchemaElement{AttributeName: aws.String(sk), KeyType: types.KeyTypeRange})
	}
	return out
}

func (x index) projection() *types.Projection {
	if len(x.with) == 0 {
		return &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}
	}
	return &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: x.with}
}
