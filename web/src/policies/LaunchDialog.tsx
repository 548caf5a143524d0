import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { ApiError, call } from "~/api/client";
import type { EditAnswer, LaunchAnswer, Policy } from "~/api/types";
import { Button } from "~/ui/Button";
import { Dialog, DialogActions, DialogBody } from "~/ui/Dialog";
import { AccountList } from "./AccountList";
import { Input, TextArea } from "./Fields";
import { bodyOf, formOf, isList, type LaunchForm, launchBody } from "./form";
import { MutationError } from "./MutationError";

/** Launches an available policy, or edits a launched one. */
export function LaunchDialog(props: {
  policy: Policy;
  /** Of the policy as the form shows it; undefined for a new launch. */
  etag?: string;
  onClose: () => void;
  onDone: (answer: { job_id?: string }) => void;
}) {
  const { policy, onClose, onDone } = props;
  const edit = policy.status !== "available";
  const client = useQueryClient();
  const [form, setForm] = useState<LaunchForm>(() => formOf(policy));
  const [etag, setEtag] = useState(props.etag ?? "");
  const [notice, setNotice] = useState<ReactNode>(null);
  const { body, errors } = bodyOf(form, policy);
  const [tried, setTried] = useState(false);
  const set = (change: Partial<LaunchForm>) => setForm((old) => ({ ...old, ...change }));

  const save = useMutation({
    mutationFn: async () => {
      if (edit) {
        const answer = await call<EditAnswer>(`/policies/${policy.policy_id}`, {
          method: "PUT",
          body,
          ifMatch: etag,
        });
        return answer.data;
      }
      const answer = await call<LaunchAnswer>("/policies", {
        method: "POST",
        body: launchBody(policy, body),
      });
      return answer.data;
    },
    onSuccess: async (answer) => {
      await client.invalidateQueries({ queryKey: ["policies"] });
      await client.invalidateQueries({ queryKey: ["policy", policy.policy_id] });
      await client.invalidateQueries({ queryKey: ["findings"] });
      onDone(answer);
    },
  });
  const conflict = save.error instanceof ApiError && save.error.status === 412;

  const takeNewest = async () => {
    const answer = await call<Policy>(`/policies/${policy.policy_id}`);
    setEtag(answer.etag);
    save.reset();
    setNotice("Saving now replaces the other change with what this form says.");
  };
  const readAgain = async () => {
    const answer = await call<Policy>(`/policies/${policy.policy_id}`);
    setEtag(answer.etag);
    setForm(formOf(answer.data));
    save.reset();
    setNotice("The form shows the policy as it is now.");
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(errors).length === 0) save.mutate();
  };
  const error = (name: string) => (tried ? errors[name] : undefined);

  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={edit ? `Edit ${policy.title}` : `Launch ${policy.title}`}
      description={
        edit
          ? "The policy is evaluated anew over everything in its scope."
          : "Every resource in scope is evaluated at once, and from then on after each change."
      }
    >
      <form onSubmit={submit} className="flex min-h-0 flex-1 flex-col">
        <DialogBody>
          <div className="space-y-5">
            <section className="space-y-3">
              <h3 className="font-[650]">Scope</h3>
              <div className="grid gap-x-4 gap-y-3 sm:grid-cols-2">
                <AccountList
                  label="Only accounts"
                  none="all accounts"
                  chosen={form.includeAccounts}
                  onChange={(includeAccounts) => set({ includeAccounts })}
                />
                <AccountList
                  label="Not accounts"
                  none="none left out"
                  chosen={form.excludeAccounts}
                  error={error("excludeAccounts")}
                  onChange={(excludeAccounts) => set({ excludeAccounts })}
                />
                <TextArea
                  label="Only organisational units"
                  help="One path a line, such as /prod/payments"
                  value={form.includeOUs}
                  onChange={(includeOUs) => set({ includeOUs })}
                />
                <TextArea
                  label="Not organisational units"
                  value={form.excludeOUs}
                  onChange={(excludeOUs) => set({ excludeOUs })}
                />
                <TextArea
                  label="Only resources with tags"
                  help="One tag a line: env=prod, staging"
                  error={error("includeTags")}
                  value={form.includeTags}
                  onChange={(includeTags) => set({ includeTags })}
                />
                <TextArea
                  label="Not resources with tags"
                  error={error("excludeTags")}
                  value={form.excludeTags}
                  onChange={(excludeTags) => set({ excludeTags })}
                />
              </div>
            </section>
            {policy.params.length > 0 ? (
              <section className="space-y-3">
                <h3 className="font-[650]">Parameters</h3>
                {policy.params.map((p) => (
                  <Input
                    key={p.name}
                    label={p.name}
                    help={`${p.help}${isList(p) ? " (separated by commas)" : ""}`}
                    error={error(`param ${p.name}`)}
                    value={form.params[p.name] ?? ""}
                    onChange={(value) => set({ params: { ...form.params, [p.name]: value } })}
                  />
                ))}
              </section>
            ) : null}
            <section className="space-y-3">
              <h3 className="font-[650]">Overrides</h3>
              <Input
                label="Severity"
                help={`0 to 100; empty: the policy's own, ${policy.default_severity}`}
                error={error("severity")}
                value={form.severity}
                placeholder={String(policy.default_severity)}
                inputMode="numeric"
                onChange={(severity) => set({ severity })}
              />
              <TextArea
                label="Instructions for fixing"
                help="Markdown, shown before the policy's own; empty: only the policy's own"
                rows={3}
                value={form.remediation}
                onChange={(remediation) => set({ remediation })}
              />
            </section>
          </div>
        </DialogBody>
        {notice ? <p className="border-border border-t px-4 py-2">{notice}</p> : null}
        {conflict ? (
          <div role="alert" className="space-y-2 border-border border-t px-4 py-2">
            <p>
              <strong>Somebody changed this policy while you were editing.</strong> Nothing was
              saved.
            </p>
            <p className="flex gap-2">
              <Button onClick={() => void readAgain()}>Show their version</Button>
              <Button onClick={() => void takeNewest()}>Keep what I entered</Button>
            </p>
          </div>
        ) : (
          <MutationError error={save.error} />
        )}
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={save.isPending || conflict}>
            {save.isPending ? "Saving…" : edit ? "Save" : "Launch"}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
