import { useEffect, useRef, type ReactNode, type RefObject } from "react";
import { look } from "../look.ts";
import { texts } from "../texts.ts";
import { Foot } from "./foot.tsx";

/** The logo. It is hidden from screen readers, since the product's name stands beside it. */
export function Logo() {
  if (look.logo) return <img className="logo" src={look.logo} alt="" />;
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path d="M13 11.2a3 3 0 1 1 4.6 2.5c-1 .6-1.6 1.2-1.6 2.3v.6" />
      <path d="M16 16.6 6.9 22.4c-1.3.9-.7 2.8.8 2.8h16.6c1.5 0 2.1-1.9.8-2.8z" />
    </svg>
  );
}

interface HeadingProps {
  page: string;
  children: ReactNode;
  focus?: boolean;
  /** For a page that focuses its heading later. */
  ref?: RefObject<HTMLHeadingElement | null>;
}

/** A page's heading. `page` becomes the document's title. `focus` focuses the heading, for a page that replaced another one. */
export function Heading({ page, children, focus = false, ref }: HeadingProps) {
  const own = useRef<HTMLHeadingElement>(null);
  const heading = ref ?? own;
  useEffect(() => {
    document.title = texts.title(page);
  }, [page]);
  useEffect(() => {
    if (focus) heading.current?.focus();
  }, [focus]);
  return <h1 ref={heading} tabIndex={-1}>{children}</h1>;
}

/** A page that is one card in the shape of a cloakroom ticket: the logo on its stub, and the content below. */
export function TicketCard({ children }: { children: ReactNode }) {
  return (
    <>
      <main className="ticket-page">
        <div className="ticket-shadow">
          <div className="ticket">
            <div className="stub">
              <Logo />
              <span>{texts.product}</span>
            </div>
            <div className="ticket-body">{children}</div>
          </div>
        </div>
      </main>
      <Foot />
    </>
  );
}

/** Shown until the server has answered. The style shows it after a short delay, so that a quick answer doesn't flicker. */
export function Loading() {
  return <p className="checking" role="status">{texts.checking}</p>;
}
