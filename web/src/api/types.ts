// The shapes of the HTTP API under the names the pages use. They are made from
// the server's own document; what that leaves open (free JSON) is closed here.
import type { components } from "./schema";

type Schemas = components["schemas"];
type With<T, U> = Omit<T, keyof U> & U;

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export type Meta = Schemas["Meta"];
export type SeverityLabel = Schemas["SeverityBand"]["label"];
export type Account = Schemas["Account"];
export type Condition = Schemas["Condition"];
export type Service = Schemas["Service"];

export type Cause = Schemas["Cause"];
export type CauseEvent = Schemas["Event"];
export type Transition = Schemas["Transition"];

export type Finding = Schemas["Finding"];
export type FindingPage = With<Schemas["FindingList"], { findings: Finding[] }>;
export type FindingDetail = With<
  Schemas["FindingDetail"],
  { document: JsonObject; evidence: With<Schemas["Evidence"], { violations: JsonObject[] }> }
>;

export type Resource = Schemas["Resource"];
export type ResourcePage = Schemas["ResourceList"];
export type ResourceDetail = With<Schemas["ResourceDetail"], { configuration: JsonObject }>;
export type ResourceVerdict = Schemas["Verdict"];
export type Outcome = ResourceVerdict["outcome"];
export type Version = Schemas["Version"];
export type VersionPage = Schemas["VersionList"];
export type VersionDetail = With<Schemas["VersionDetail"], { configuration: JsonObject }>;

export type Scope = Schemas["Scope"];
export type Param = With<Schemas["Param"], { default?: Json; value?: Json }>;
export type Policy = With<Schemas["Policy"], { params: Param[] }>;
export type PolicyDetail = With<Schemas["PolicyFull"], { params: Param[] }>;

export type LaunchBody = {
  policy_id: string;
  scope?: Scope;
  severity?: number;
  remediation?: string;
  params?: Record<string, Json>;
};
export type EditBody = {
  scope?: Scope;
  /** null: the policy's own again. */
  severity?: number | null;
  remediation?: string;
  params?: Record<string, Json>;
  status?: "active" | "suspended";
};
export type LaunchAnswer = Schemas["Launched"];
export type EditAnswer = Schemas["Updated"];
export type DeleteAnswer = Schemas["Deleted"];

export type Week = Schemas["Week"];
export type Dashboard = Schemas["DashboardAnswer"];
export type PolicySummary = Schemas["PolicyCount"];
export type FindingsSummary = Schemas["FindingsSummary"];
export type Changes = Schemas["ChangeList"];

export type Job = Schemas["Job"];
export type JobList = Schemas["JobList"];
export type System = Schemas["System"];
export type Shard = Schemas["Shard"];

export type DemoChange = Schemas["DemoChange"];
export type DemoApplied = Schemas["DemoApplied"];
