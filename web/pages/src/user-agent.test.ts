import assert from "node:assert/strict";
import { test } from "vitest";
import { describeUserAgent, deviceKind } from "./user-agent.ts";

const cases: readonly [header: string, words: string | undefined, kind: string][] = [
  ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36", "Chrome on Linux", "desk"],
  ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36", "Chrome on Linux", "desk"],
  ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/155.0.0.0 Safari/537.36 Edg/155.0.0.0", "Edge on Windows", "desk"],
  ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/155.0.0.0 Safari/537.36 OPR/120.0.0.0", "Opera on Windows", "desk"],
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15", "Safari on macOS", "desk"],
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:146.0) Gecko/20100101 Firefox/146.0", "Firefox on macOS", "desk"],
  ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1", "Safari on iPhone", "hand"],
  ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/155.0.0.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone", "hand"],
  ["Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/146.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPad", "hand"],
  ["Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/155.0.0.0 Mobile Safari/537.36", "Chrome on Android", "hand"],
  ["Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36", "Samsung Internet on Android", "hand"],
  ["Mozilla/5.0 (Android 16; Mobile; rv:146.0) Gecko/146.0 Firefox/146.0", "Firefox on Android", "hand"],
  ["Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/155.0.0.0 Safari/537.36", "Chrome on ChromeOS", "desk"],
  ["curl/8.14.1", "curl", "program"],
  ["Go-http-client/1.1", "a Go program", "program"],
  ["python-requests/2.32.5", "a Python program", "program"],
  ["", undefined, "program"],
  ["<script>alert(1)</script>", undefined, "program"],
];

test("describes User-Agent headers in words", () => {
  for (const [header, words, kind] of cases) {
    assert.equal(describeUserAgent(header), words, header);
    assert.equal(deviceKind(header), kind, header);
  }
});

test("doesn't hang on a hostile header", () => {
  const started = performance.now();
  describeUserAgent("Version/1".repeat(100_000) + " Safari");
  assert.ok(performance.now() - started < 30_000); // quadratic backtracking would take far longer
});
