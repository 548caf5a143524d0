package dynamo

// Rows are small JSON texts whose names are always the same. A dictionary of
// them halves what a row weighs, and DynamoDB charges by the kilobyte.
//
// What is stored refers to dictionaryID: its text must never change. A better
// one gets the next id, and both are given to the decompressor.
const dictionaryID = 1

const dictionary = `{"outcome":"skip","o":"unknown","s":0,"g":1,"r":"access was denied","a":true,"h":"","n":1},` +
	`"arn":"arn:aws:iam::","arn":"arn:aws:ec2:us-east-1:","arn:aws:rds:","tags":{"Name":"","team":"","env":"prod"},"explained":[""],` +
	`"missing":[{"member":"Policy","code":"AccessDenied","action":"s3:GetBucketPolicy"}],` +
	`{"id":"f_","resolution":"fixed","resolution":"resource_deleted","resolution":"policy_deleted","unknown":"","resolved_at":"","resolved_cause":` +
	`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"},{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"CidrIp":"0.0.0.0/0"}` +
	`"attribution":"ambiguous","attribution":"unknown","events":[],"after":"2026-","note":"policy launched","note":"found by scan"` +
	`"kind":"aws_service","kind":"pipeline","kind":"root","type":"IAMUser","type":"Root","type":"AWSService","via":"OIDC","tool":"Terraform","tool":"console",` +
	`"source":"ec2.amazonaws.com","source":"iam.amazonaws.com","source":"rds.amazonaws.com","user_agent":"","identity":"",` +
	`{"id":"t_","seq":0,"kind":"reopened","kind":"changed","kind":"resolved","kind":"opened","finding":"f_","ref":{"account":"","region":"us-east-1",` +
	`"type":"AWS::EC2::SecurityGroup","type":"AWS::EC2::Instance","type":"AWS::EC2::Volume","type":"AWS::IAM::User","type":"AWS::IAM::ManagedPolicy",` +
	`"type":"AWS::RDS::DBInstance","type":"AWS::Account","id":"","arn":"","global":true},` +
	`"r":"r_","i":"0000000000000000001#f_","t":"t_"},{"at":[{"r":"r_","i":"0000000000000000001#f_","t":"t_"}],"from":[""],"part":["new#` +
	`{"arn":"arn:aws:s3:::","name":"","cause":{"attribution":"exact","events":[{"id":"","name":"","source":"s3.amazonaws.com","account":"",` +
	`"region":"eu-west-1","time":"2026-","arrived":"2026-","source_ip":"","user_agent":"aws-cli/","actor":{"kind":"human","name":"",` +
	`"type":"AssumedRole","arn":"arn:aws:sts::","account":"","role":"","via":"SSO","tool":"CLI"}}],"before":"2026-` +
	`{"o":"pass","s":0,"g":1},{"o":"fail","s":90,"a":true,"h":"","n":1,"g":1}` +
	`{"id":"f_","ref":{"account":"","region":"us-east-1","type":"AWS::S3::Bucket","id":"","arn":"arn:aws:s3:::","global":true},` +
	`"policy":"S3Bucket","name":"","severity":90,"state":"RESOLVED","state":"ACTIVE","summary":"","evidence":{"violations":[{"` +
	`}],"pointers":["/Policy/Statement/0"],"total":1},"first_seen":"2026-","opened_at":"2026-","changed_at":"2026-","reopened":0,` +
	`"cause":{"attribution":"exact","events":[{"last_evaluated":"0001-01-01T00:00:00Z","generation":1,"resource_version":1}`
