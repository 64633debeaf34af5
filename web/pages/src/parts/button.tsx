import type { ReactNode, Ref } from "react";

interface ButtonProps {
  children: ReactNode;
  look?: "main" | "quiet" | "danger" | "link";
  type?: "submit" | "button";
  /** Busy or not yet allowed. The button keeps the focus and is announced as unavailable. */
  off?: boolean;
  label?: string;
  onClick?: () => void;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({ children, look = "quiet", type = "button", off = false, label, onClick, ref }: ButtonProps) {
  return (
    <button
      ref={ref}
      type={type}
      className={`button button-${look}`}
      aria-disabled={off}
      aria-label={label}
      onClick={(event) => {
        if (off) event.preventDefault();
        else onClick?.();
      }}
    >
      {children}
    </button>
  );
}
