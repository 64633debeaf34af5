import { locale } from "./catalogue.ts";
import { texts } from "./texts.ts";

const t = texts.duration;

const steps: readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ["year", 31_557_600], ["month", 2_629_800], ["week", 604_800], ["day", 86_400], ["hour", 3600], ["minute", 60],
];

/** "3 hours ago". Undefined for a time under a minute ago, in the future, or invalid. */
export function timeAgo(moment: string, now: number): string | undefined {
  const seconds = (now - Date.parse(moment)) / 1000;
  const step = steps.find(([, size]) => seconds >= size);
  if (!step) return undefined;
  return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-Math.floor(seconds / step[1]), step[0]);
}

/** "3 Mar 2026", in the reader's time zone; "" for an invalid time. */
export function formatDay(moment: string): string {
  return format(moment, { dateStyle: "medium" });
}

/** "Tuesday, 3 March 2026 at 14:02:07 CET", in the reader's time zone; "" for an invalid time. */
export function formatFull(moment: string): string {
  return format(moment, { dateStyle: "full", timeStyle: "long" });
}

/** "3 Mar 2026, 14:02:07", in the reader's time zone; "" for an invalid time. */
export function formatTime(at: string): string {
  return format(at, { dateStyle: "medium", timeStyle: "medium" });
}

/** When the day `daysLater` days after `day` (YYYY-MM-DD) begins in the reader's time zone. Undefined for an invalid day. */
export function startOfDay(day: string, daysLater = 0): string | undefined {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day)?.slice(1).map(Number);
  if (!parts) return undefined;
  return new Date(parts[0]!, parts[1]! - 1, parts[2]! + daysLater).toISOString();
}

function format(moment: string, style: Intl.DateTimeFormatOptions): string {
  const at = Date.parse(moment);
  return Number.isNaN(at) ? "" : new Intl.DateTimeFormat(locale, style).format(at);
}

/** Seconds as "45 s", "2 min 5 s" or "1 h 5 min". */
export function formatDuration(seconds: number): string {
  const [h, min, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  if (h > 0) return min > 0 ? `${t.hours(h)} ${t.minutes(min)}` : t.hours(h);
  if (min > 0) return s > 0 ? `${t.minutes(min)} ${t.seconds(s)}` : t.minutes(min);
  return t.seconds(s);
}
