package resources

import (
	"net"
	"strconv"

	"github.com/qrie-sec/qrie"
)

// RDSInstance is the view of AWS::RDS::DBInstance.
type RDSInstance struct {
	ID                 string            `json:"id" ref:"id"`
	Engine             string            `json:"engine" from:"DBInstance"`
	Class              string            `json:"class" from:"DBInstance"`
	Status             string            `json:"status" from:"DBInstance"`
	PubliclyAccessible bool              `json:"publiclyAccessible" from:"DBInstance"`
	PublicAt           string            `json:"publicAt"` // /DBInstance/PubliclyAccessible
	StorageEncrypted   bool              `json:"storageEncrypted" from:"DBInstance"`
	MultiAZ            bool              `json:"multiAz" from:"DBInstance"`
	BackupDays         int               `json:"backupDays" from:"DBInstance"`
	DeletionProtection bool              `json:"deletionProtection" from:"DBInstance"`
	Endpoint           string            `json:"endpoint" from:"DBInstance"` // host:port; empty until there is one
	Tags               map[string]string `json:"tags" from:"DBInstance"`
}

const (
	rdsEvents = "rds.amazonaws.com"

	// rdsID has its odd capital because CloudTrail lowers the first letter of
	// AWS's DBInstanceIdentifier and no more.
	rdsID = "requestParameters.dBInstanceIdentifier"

	rdsInstances = "arn:{partition}:rds:{region}:{account}:db:"
)

func rdsInstance() Type {
	return Type{
		Name: "AWS::RDS::DBInstance", Title: "RDS DB instance", Lower: true,
		ARN:     "arn:{partition}:rds:{region}:{account}:db:{id}",
		Members: []string{"DBInstance"},
		// Point-in-time recovery moves on every five minutes.
		Volatile: []string{"DBInstance.LatestRestorableTime"},
		// Source: RDS User Guide, "Viewing DB instance status". The others last until
		// somebody acts.
		Stages: []Stage{{Path: "DBInstance.DBInstanceStatus", Passes: []string{
			"backing-up", "backtracking", "configuring-enhanced-monitoring", "configuring-iam-database-auth",
			"configuring-log-exports", "converting-to-vpc", "creating", "delete-precheck", "deleting", "maintenance",
			"modifying", "moving-to-vpc", "rebooting", "renaming", "resetting-master-credentials", "starting", "stopping",
			"storage-config-upgrade", "storage-initialization", "storage-optimization", "upgrading",
		}}},
		Events: []Rule{
			{
				Source: rdsEvents,
				Names: []string{
					"CreateDBInstance", "ModifyDBInstance", "DeleteDBInstance",
					"StartDBInstance", "StopDBInstance", "RebootDBInstance",
					"RestoreDBInstanceFromDBSnapshot", "RestoreDBInstanceFromS3", "RestoreDBInstanceToPointInTime",
					"CreateDBInstanceReadReplica", "PromoteReadReplica", "SwitchoverReadReplica",
					"AddRoleToDBInstance", "RemoveRoleFromDBInstance",
					"CreateDBSnapshot", // the instance is "backing-up" meanwhile
				},
				IDs: []string{rdsID, "requestParameters.targetDBInstanceIdentifier", "responseElements.dBInstanceIdentifier"},
			},
			// A rename is two resources: the old name is gone, the new one is there.
			{Source: rdsEvents, Names: []string{"ModifyDBInstance"}, IDs: []string{"requestParameters.newDBInstanceIdentifier"}},
			{
				// A cluster's settings are its members' too; its answers list them.
				Source: rdsEvents,
				Names: []string{
					"ModifyDBCluster", "DeleteDBCluster", "StartDBCluster", "StopDBCluster", "RebootDBCluster",
					"FailoverDBCluster", "PromoteReadReplicaDBCluster",
				},
				IDs: []string{"responseElements.dBClusterMembers.#.dBInstanceIdentifier"},
			},
			{
				Source: rdsEvents, Names: []string{"AddTagsToResource", "RemoveTagsFromResource"},
				IDs: []string{"requestParameters.resourceName"}, Prefix: rdsInstances, Trim: true,
			},
			{
				Source: rdsEvents, Names: []string{"ApplyPendingMaintenanceAction"},
				IDs: []string{"requestParameters.resourceIdentifier"}, Prefix: rdsInstances, Trim: true,
			},
		},
		Creates: []string{
			"CreateDBInstance", "CreateDBInstanceReadReplica",
			"RestoreDBInstanceFromDBSnapshot", "RestoreDBInstanceFromS3", "RestoreDBInstanceToPointInTime",
		},
		Actions: []Action{
			{Name: "rds:DescribeDBInstances"},
			{Name: "rds:DescribeDBInstances", Member: "DBInstance"},
		},
		Sample: &RDSInstance{},
		Decode: decoder(fillRDSInstance),
	}
}

type rdsInstanceDocument struct {
	Missing    []qrie.Missing `json:"missing"`
	DBInstance struct {
		DBInstanceIdentifier, DBInstanceArn, DBInstanceClass, DBInstanceStatus, Engine string
		PubliclyAccessible, StorageEncrypted, MultiAZ, DeletionProtection              bool
		BackupRetentionPeriod                                                          int
		Endpoint                                                                       struct {
			Address string
			Port    int
		}
		TagList []tag
	}
}

func fillRDSInstance(d *rdsInstanceDocument, v *RDSInstance, view *View) error {
	db := &d.DBInstance
	v.ID, v.Engine, v.Class, v.Status = db.DBInstanceIdentifier, db.Engine, db.DBInstanceClass, db.DBInstanceStatus
	v.PubliclyAccessible, v.PublicAt = db.PubliclyAccessible, "/DBInstance/PubliclyAccessible"
	v.StorageEncrypted, v.MultiAZ, v.DeletionProtection = db.StorageEncrypted, db.MultiAZ, db.DeletionProtection
	v.BackupDays = db.BackupRetentionPeriod
	v.Endpoint = db.Endpoint.Address
	if v.Endpoint != "" && db.Endpoint.Port > 0 {
		v.Endpoint = net.JoinHostPort(db.Endpoint.Address, strconv.Itoa(db.Endpoint.Port))
	}
	v.Tags = tagMap(db.TagList)
	view.Missing, view.Name, view.ARN, view.Tags = d.Missing, v.ID, db.DBInstanceArn, v.Tags
	view.Region = regionOfARN(db.DBInstanceArn)
	return nil
}
