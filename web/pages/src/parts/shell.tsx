import { useEffect, useRef, type ReactNode } from "react";
import { texts } from "../texts.ts";

/** The hanger in its ticket. Decoration: the name beside it says the same. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path d="M13 11.2a3 3 0 1 1 4.6 2.5c-1 .6-1.6 1.2-1.6 2.3v.6" />
      <path d="M16 16.6 6.9 22.4c-1.3.9-.7 2.8.8 2.8h16.6c1.5 0 2.1-1.9.8-2.8z" />
    </svg>
  );
}

/** A page's heading, which is also its title. `focus` moves the reader here when the page has changed under them. */
export function Heading({ page, children, focus = false }: { page: string; children: ReactNode; focus?: boolean }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = texts.title(page);
  }, [page]);
  useEffect(() => {
    if (focus) heading.current?.focus();
  }, [focus]);
  return <h1 ref={heading} tabIndex={-1}>{children}</h1>;
}

/** A page that is one ticket: the stub with the mark above the perforation, the rest below. */
export function Ticket({ children }: { children: ReactNode }) {
  return (
    <main className="ticket-page">
      <div className="ticket-shadow">
        <div className="ticket">
          <div className="stub">
            <Mark />
            <span>{texts.product}</span>
          </div>
          <div className="ticket-body">{children}</div>
        </div>
      </div>
    </main>
  );
}

/** Shown while the server is asked; it stays blank for a moment, so that a quick answer doesn't flicker. */
export function Checking() {
  return <p className="checking" role="status">{texts.checking}</p>;
}
