import assert from "node:assert/strict";
import { test } from "vitest";
import { changedFields } from "./changed-fields.ts";
import type { AdminUser } from "./types.ts";

const grace: AdminUser = {
  id: 2, username: "grace", email: "grace@example.com", first_name: "Grace", last_name: "", date_joined: "2026-03-03T12:00:00Z",
  last_login: null, is_active: true, is_staff: true, is_superuser: false, has_password: true, groups: ["editors", "shop"],
  permissions: ["blog.add_post", "shop.view_order"], direct_permissions: ["shop.view_order"],
};

test("sends only what was changed", () => {
  assert.deepEqual(changedFields({ username: "grace", last_name: "Hopper" }, grace), { last_name: "Hopper" });
  assert.deepEqual(changedFields({ groups: ["shop", "editors"] }, grace), {}, "the order is no change");
  assert.deepEqual(changedFields({ is_staff: false }, grace), { is_staff: false });
});

test("sends of groups and permissions what was added and removed", () => {
  assert.deepEqual(changedFields({ groups: ["shop", "authors"] }, grace), { join: ["authors"], leave: ["editors"] });
  assert.deepEqual(changedFields({ direct_permissions: [] }, grace), { grant: [], revoke: ["shop.view_order"] });
});

test("sends of a new user only what differs from the defaults", () => {
  const next = { username: "linus", email: "", is_staff: false, is_superuser: false, groups: [], direct_permissions: [] };
  assert.deepEqual(changedFields(next, undefined), { username: "linus", email: "" });
  assert.deepEqual(changedFields({ ...next, groups: ["shop"] }, undefined), { username: "linus", email: "", groups: ["shop"] });
});
