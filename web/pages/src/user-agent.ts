/** Describes a User-Agent header in words. A client can send anything in it: it is a hint, never proof. */

import { texts } from "./texts.ts";

const t = texts.agent;

type Rule = readonly [name: string, pattern: RegExp];

// In order: the browsers built on Chromium also say "Chrome", and all of them say "Safari".
const browsers: readonly Rule[] = [
  ["Edge", /\bEdg(?:e|A|iOS)?\//],
  ["Opera", /\bOPR\/|\bOpera\b/],
  ["Samsung Internet", /\bSamsungBrowser\//],
  ["Vivaldi", /\bVivaldi\//],
  ["Firefox", /\b(?:Firefox|FxiOS)\//],
  ["Chrome", /\b(?:HeadlessChrome|Chrome|CriOS|Chromium)\//],
  ["Safari", /\bVersion\/[\d.]+ .*Safari\//],
];

// iPhones say "like Mac OS X", Android and ChromeOS say "Linux" or "X11".
const systems: readonly Rule[] = [
  ["iPhone", /\biPhone\b/],
  ["iPad", /\biPad\b/],
  ["Android", /\bAndroid\b/],
  ["ChromeOS", /\bCrOS\b/],
  ["Windows", /\bWindows\b/],
  ["macOS", /\bMac(?:intosh| OS X)\b/],
  ["Linux", /\bLinux\b|\bX11\b/],
];

const programs: readonly Rule[] = [
  ["curl", /^curl\//],
  ["Wget", /^Wget\//],
  ["HTTPie", /^HTTPie\//],
  ["Postman", /^PostmanRuntime\//],
  [t.go, /^Go-http-client\//],
  [t.python, /^(?:python-requests|Python-urllib|python-httpx|aiohttp)\b/i],
  [t.node, /^(?:node|undici|axios\/|node-fetch)/],
  [t.java, /^(?:okhttp|Java|Apache-HttpClient)\//],
];

/** Returns "Chrome on Linux" or "curl", or undefined if no rule matches. */
export function describeUserAgent(header: string): string | undefined {
  const browser = first(browsers, header);
  const system = first(systems, header);
  if (browser && system) return t.on(browser, system);
  return browser ?? first(programs, header) ?? system;
}

/** Which drawing fits: a handheld device, a computer, or a program. */
export function deviceKind(header: string): "hand" | "desk" | "program" {
  if (/\b(?:iPhone|iPad|Android|Mobile)\b/.test(header)) return "hand";
  return first(systems, header) ? "desk" : "program";
}

function first(rules: readonly Rule[], header: string): string | undefined {
  return rules.find(([, pattern]) => pattern.test(header))?.[0];
}
