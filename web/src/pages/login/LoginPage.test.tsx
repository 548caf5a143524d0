import { fireEvent, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { type Call, openApp } from "~/testing/app";

function server() {
  let inside = false;
  return {
    "GET /meta": () => ({
      version: "t",
      demo: false,
      login: !inside,
      severity_bands: [],
      started_at: "",
    }),
    "POST /login": (call: Call) => {
      if ((call.body as { code: string }).code !== "right")
        return { status: 401, body: { title: "Wrong", request_id: "r" } };
      inside = true;
      return { status: 204, body: undefined };
    },
    "GET /accounts": () => (inside ? [] : { status: 401, body: { title: "Log in" } }),
  };
}

test("who is not logged in is asked for the code and comes back to the page", async () => {
  const { router } = await openApp("/accounts", server());
  await userEvent.type(await screen.findByLabelText(/Code/), "wrong");
  fireEvent.click(screen.getByRole("button", { name: "Log in" }));
  expect((await screen.findByRole("alert")).textContent).toContain("not right");
  await userEvent.clear(screen.getByLabelText(/Code/));
  await userEvent.type(screen.getByLabelText(/Code/), "right");
  fireEvent.click(screen.getByRole("button", { name: "Log in" }));
  await waitFor(() => expect(router.state.location.pathname).toBe("/accounts"));
  expect(await screen.findByText("No account is connected")).toBeTruthy();
});

test("the link that the server prints logs in by itself, and the code leaves the address", async () => {
  const { router } = await openApp("/login?code=right", server());
  await waitFor(() => expect(router.state.location.pathname).toBe("/"));
  expect(router.state.location.href).not.toContain("right");
});
