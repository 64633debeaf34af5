import { useEffect, useRef, useState } from "react";
import { api, type Device } from "./api.ts";
import { formatDay, formatFull, timeAgo } from "./dates.ts";
import { Confirm } from "./parts/confirm.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { texts } from "./texts.ts";
import { useAction } from "./use-action.ts";
import { describeUserAgent, deviceKind } from "./user-agent.ts";

const t = texts.devices;

interface DevicesProps {
  devices: readonly Device[];
  /** Called when the list has to be loaded again. */
  onChange: () => Promise<void>;
  /** Signs this device out. */
  onSignOut: () => Promise<void>;
}

export function Devices({ devices, onChange, onSignOut }: DevicesProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [done, setDone] = useState("");
  const [target, setTarget] = useState("");

  const act = useAction(async (on: string, action: () => Promise<string>) => {
    setTarget(on);
    setDone("");
    const message = await action();
    await onChange();
    setDone(message);
    heading.current?.focus(); // the button that had the focus was removed
  });
  const everywhere = useAction(async () => {
    await api.endOtherDevices();
    await onSignOut();
    return "leaving";
  });
  const others = devices.filter((device) => !device.current).length;
  return (
    <section aria-labelledby="devices-heading">
      <h2 id="devices-heading" ref={heading} tabIndex={-1}>{t.heading}</h2>
      <p className="intro">{t.intro}</p>
      <Problem error={act.error ?? everywhere.error} />
      {done && <Notice tone="good">{done}</Notice>}
      <ul className="devices">
        {inOrder(devices).map((device) => (
          <Row
            key={device.id}
            device={device}
            sending={act.sending && target === device.id}
            onEnd={(name) => void act.run(device.id, async () => {
              await api.endDevice(device.id);
              return t.ended(name);
            })}
          />
        ))}
      </ul>
      {others > 0 && (
        <div className="row">
          <Confirm
            question={t.endOthersSure(others)}
            yes={t.endOthersYes}
            no={t.endOthersNo}
            sending={act.sending && target === "others"}
            onYes={() => void act.run("others", async () => t.endedOthers(await api.endOtherDevices()))}
          >
            {t.endOthers}
          </Confirm>
          <Confirm question={t.everywhereSure(others)} yes={t.everywhereYes} no={t.everywhereNo} sending={everywhere.sending} onYes={() => void everywhere.run()}>
            {t.everywhere}
          </Confirm>
        </div>
      )}
    </section>
  );
}

/** This device first, then the most recently used. */
function inOrder(devices: readonly Device[]): Device[] {
  return [...devices].sort((a, b) => Number(b.current) - Number(a.current) || b.last_seen_at.localeCompare(a.last_seen_at));
}

function Row({ device, sending, onEnd }: { device: Device; sending: boolean; onEnd: (name: string) => void }) {
  const known = describeUserAgent(device.user_agent);
  const name = known ?? (device.user_agent || t.unknown);
  const now = useNow();
  return (
    <li className="device">
      <Drawing kind={deviceKind(device.user_agent)} />
      <div className="device-text">
        <h3 title={device.user_agent}>
          {known ?? t.unknown}
          {device.current && <span className="badge">{t.thisDevice}</span>}
          {device.bound && <span className="badge" title={t.boundMeans}>{t.bound}</span>}
        </h3>
        <dl>
          <div>
            <dt>{t.lastUsed}</dt>
            <dd><time dateTime={device.last_seen_at} title={formatFull(device.last_seen_at)}>{lastUsed(device, now)}</time></dd>
          </div>
          <div>
            <dt>{t.signedIn}</dt>
            <dd>
              <time dateTime={device.created_at} title={formatFull(device.created_at)}>{formatDay(device.created_at)}</time>
              {device.method && ` ${t.methods[device.method] ?? t.method(device.method)}`}
            </dd>
          </div>
          {!known && device.user_agent && (
            <div>
              <dt>{t.browser}</dt>
              <dd className="agent">{device.user_agent}</dd>
            </div>
          )}
          {device.ip && (
            <div>
              <dt>{t.address}</dt>
              <dd className="address">{device.ip}</dd>
            </div>
          )}
        </dl>
      </div>
      {!device.current && (
        <Confirm label={t.endNamed(name)} question={t.endSure} yes={t.endYes} no={t.endNo} sending={sending} onYes={() => onEnd(name)}>
          {t.end}
        </Confirm>
      )}
    </li>
  );
}

function lastUsed(device: Device, now: number): string {
  return device.current ? t.now : (timeAgo(device.last_seen_at, now) ?? t.justNow);
}

function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

const drawings = {
  hand: "M8 3.5h8a1.5 1.5 0 0 1 1.5 1.5v14a1.5 1.5 0 0 1-1.5 1.5H8A1.5 1.5 0 0 1 6.5 19V5A1.5 1.5 0 0 1 8 3.5zM11 17.5h2",
  desk: "M4 5h16v11H4zM2 19.5h20M10 16v3.5M14 16v3.5",
  program: "M4 5h16v14H4zM7.5 9.5l3 2.5-3 2.5M12.5 15h4",
} as const;

function Drawing({ kind }: { kind: keyof typeof drawings }) {
  return (
    <svg className="drawing" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={drawings[kind]} />
    </svg>
  );
}
