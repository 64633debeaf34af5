// @vitest-environment happy-dom

import assert from "node:assert/strict";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act } from "react";
import { createRoot } from "react-dom/client";
import { test, vi } from "vitest";
import { api, type User } from "../api.ts";
import { texts } from "../texts.ts";
import { SessionTable } from "./session-table.tsx";
import type { AdminSession } from "./types.ts";

test("of two sessions that are ended, each is reported: the second waits for the first", async () => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  const answers: (() => void)[] = [];
  vi.spyOn(api, "call").mockImplementation(() => new Promise((resolve) => answers.push(() => resolve({} as never))));
  const me = { id: 1, is_staff: true, is_superuser: true, permissions: [] } as unknown as User;
  const now = new Date().toISOString();
  const sessions = ["one", "two"].map((id) => ({ id, user_id: 2, username: "ada", user_agent: id, ip: "", last_seen_at: now }) as unknown as AdminSession);
  const ended: string[] = [];
  const place = document.body.appendChild(document.createElement("div"));
  const root = createRoot(place);
  await act(async () => root.render(
    <QueryClientProvider client={new QueryClient()}><SessionTable me={me} sessions={sessions} onEnded={(message) => ended.push(message)} /></QueryClientProvider>,
  ));
  const find = (row: number, name: string) => {
    const buttons = [...place.querySelectorAll("tbody tr")[row]!.querySelectorAll("button")];
    const button = buttons.find((it) => it.textContent === name);
    assert.ok(button, `${name} is not among ${buttons.map((it) => it.textContent).join()}`);
    return button;
  };
  const press = (row: number, name: string) => act(async () => find(row, name).click());
  const waits = async (row: number, name: string, whether: boolean) => {
    await vi.waitFor(async () => {
      await act(async () => {});
      assert.equal(find(row, name).getAttribute("aria-disabled"), String(whether));
    });
  };
  const { end, endYes, ended: endedOf } = texts.devices;
  await press(0, end);
  await press(1, end); // both ask
  await press(0, endYes);
  await waits(1, endYes, true);
  await press(1, endYes);
  assert.equal(answers.length, 1);
  await act(async () => answers[0]!());
  await vi.waitFor(() => assert.deepEqual(ended, [endedOf("one")]));
  await waits(1, endYes, false);
  await press(1, endYes);
  assert.equal(answers.length, 2);
  await act(async () => answers[1]!());
  await vi.waitFor(() => assert.deepEqual(ended, [endedOf("one"), endedOf("two")]));
  await act(async () => root.unmount());
  place.remove();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});
