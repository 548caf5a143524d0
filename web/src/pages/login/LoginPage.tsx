import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { ApiError, call } from "~/api/client";
import { Button } from "~/ui/Button";
import { login as route } from "./route";

/** Takes the one-time code that the server prints when it starts; a link may carry it. */
export function LoginPage() {
  const { code: given = "", from = "/" } = route.useSearch();
  const [code, setCode] = useState(given);
  const client = useQueryClient();
  const router = useRouter();
  const login = useMutation({
    mutationFn: (value: string) =>
      call<undefined>("/login", { method: "POST", body: { code: value } }),
    onSuccess: () => {
      client.clear();
      router.history.replace(from); // the code does not stay in the history
    },
  });
  const tried = useRef(false);
  const { mutate } = login;
  useEffect(() => {
    document.title = "Log in · qrie";
    if (given === "" || tried.current) return;
    tried.current = true;
    mutate(given);
  }, [given, mutate]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    mutate(code.trim());
  };
  const refused = login.error instanceof ApiError && [401, 403, 422].includes(login.error.status);
  return (
    <main className="mx-auto flex h-full max-w-[340px] flex-col justify-center gap-4 p-4">
      <h1 className="font-[750] text-figure">qrie</h1>
      <form onSubmit={submit} className="space-y-3">
        <label className="block">
          <span className="block pb-1">Code</span>
          <input
            value={code}
            onChange={(e) => setCode(e.target.value)}
            autoComplete="one-time-code"
            spellCheck={false}
            className="h-8 w-full rounded border border-control bg-surface px-2 font-mono"
          />
        </label>
        <p className="text-ink-2">The server prints the code and a link with it when it starts.</p>
        {login.error ? (
          <p role="alert" className="text-critical">
            {refused ? "The code is not right or was used before." : login.error.message}
          </p>
        ) : null}
        <Button
          kind="primary"
          type="submit"
          disabled={login.isPending || code.trim() === ""}
          className="h-8"
        >
          {login.isPending ? "Logging in…" : "Log in"}
        </Button>
      </form>
    </main>
  );
}
