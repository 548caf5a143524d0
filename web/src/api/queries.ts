// What the pages read, one query for each noun. The keys begin with the noun,
// so that a transition can invalidate every query of it.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call, get, type Query } from "./client";
import type * as api from "./types";

export const pageSize = 200;

export const meta = () =>
  queryOptions({
    queryKey: ["meta"],
    queryFn: ({ signal }) => get<api.Meta>("/meta", undefined, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const accounts = () =>
  queryOptions({
    queryKey: ["accounts"],
    queryFn: ({ signal }) => get<api.Account[]>("/accounts", undefined, signal),
    staleTime: 60_000,
  });

export const services = () =>
  queryOptions({
    queryKey: ["services"],
    queryFn: ({ signal }) => get<api.Service[]>("/services", { supported: true }, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const dashboard = () =>
  queryOptions({
    queryKey: ["dashboard"],
    queryFn: ({ signal }) => get<api.Dashboard>("/summary/dashboard", undefined, signal),
    refetchInterval: 30_000,
  });

export const findingsSummary = (query: Query) =>
  queryOptions({
    queryKey: ["findings", "summary", query],
    queryFn: ({ signal }) => get<api.FindingsSummary>("/summary/findings", query, signal),
    placeholderData: keepPreviousData,
  });

export const findings = (query: Query) =>
  infiniteQueryOptions({
    queryKey: ["findings", "list", query],
    queryFn: ({ pageParam, signal }) =>
      get<api.FindingPage>(
        "/findings",
        { ...query, page_size: pageSize, next_token: pageParam },
        signal,
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_token,
    placeholderData: keepPreviousData,
  });

/** The first findings of one policy, under its group row. */
export const groupFindings = (query: Query) =>
  queryOptions({
    queryKey: ["findings", "group", query],
    queryFn: ({ signal }) => get<api.FindingPage>("/findings", { ...query, page_size: 50 }, signal),
    placeholderData: keepPreviousData,
  });

export const finding = (id: string) =>
  queryOptions({
    queryKey: ["finding", id],
    queryFn: ({ signal }) =>
      get<api.FindingDetail>(`/findings/${encodeURIComponent(id)}`, undefined, signal),
  });

export const resources = (query: Query) =>
  infiniteQueryOptions({
    queryKey: ["resources", "list", query],
    queryFn: ({ pageParam, signal }) =>
      get<api.ResourcePage>(
        "/resources",
        { ...query, page_size: pageSize, next_token: pageParam },
        signal,
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_token,
    placeholderData: keepPreviousData,
  });

export const resource = (id: string) =>
  queryOptions({
    queryKey: ["resource", id],
    queryFn: ({ signal }) =>
      get<api.ResourceDetail>(`/resources/${encodeURIComponent(id)}`, undefined, signal),
  });

export const versions = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["resource", id, "versions"],
    queryFn: ({ pageParam, signal }) =>
      get<api.VersionPage>(
        `/resources/${encodeURIComponent(id)}/history`,
        { next_token: pageParam },
        signal,
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_token,
  });

export const version = (id: string, number: number) =>
  queryOptions({
    queryKey: ["version", id, number], // a version never changes
    queryFn: ({ signal }) =>
      get<api.VersionDetail>(
        `/resources/${encodeURIComponent(id)}/history/${number}`,
        undefined,
        signal,
      ),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const policies = () =>
  queryOptions({
    queryKey: ["policies"],
    queryFn: ({ signal }) => get<api.Policy[]>("/policies", { status: "all" }, signal),
  });

/** A policy with the ETag that an edit or a deletion must send back. */
export const policy = (id: string) =>
  queryOptions({
    queryKey: ["policy", id],
    queryFn: async ({ signal }) => {
      const { data, etag } = await call<api.PolicyDetail>(`/policies/${encodeURIComponent(id)}`, {
        signal,
      });
      return { ...data, etag };
    },
  });

/** The latest transitions, newest first. */
export const changes = (limit: number) =>
  queryOptions({
    queryKey: ["changes", limit],
    queryFn: async ({ signal }) => {
      const page = await get<api.Changes>("/changes", { limit }, signal);
      return { ...page, transitions: page.transitions.toSorted((a, b) => b.seq - a.seq) };
    },
    staleTime: Number.POSITIVE_INFINITY, // the stream carries on from here
  });

export const jobs = () =>
  queryOptions({
    queryKey: ["jobs"],
    queryFn: ({ signal }) => get<api.JobList>("/jobs", undefined, signal),
    refetchInterval: 5_000,
  });

export const system = () =>
  queryOptions({
    queryKey: ["system"],
    queryFn: ({ signal }) => get<api.System>("/system", undefined, signal),
    refetchInterval: 5_000,
    retry: false,
  });

export const demoChanges = () =>
  queryOptions({
    queryKey: ["demo"],
    queryFn: ({ signal }) => get<api.DemoChange[]>("/demo/changes", undefined, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
