// @vitest-environment happy-dom

import assert from "node:assert/strict";
import { act } from "react";
import { createRoot } from "react-dom/client";
import { test, vi } from "vitest";
import { type Action, useAction } from "./use-action.ts";

test("an action that fails in an unexpected way can be run again", async () => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  let action: Action<[]> | undefined;
  function Page() {
    action = useAction(() => Promise.reject(new TypeError("unexpected")));
    return null;
  }
  const root = createRoot(document.createElement("div"));
  await act(async () => root.render(<Page />));
  await act(() => assert.rejects(action!.run(), TypeError));
  assert.equal(action!.sending, false);
  await act(() => assert.rejects(action!.run(), TypeError));
  await act(async () => root.unmount());
  vi.unstubAllGlobals();
});
