import type { ReactNode, Ref } from "react";

interface ButtonProps {
  children: ReactNode;
  variant?: "main" | "quiet" | "danger" | "link";
  type?: "submit" | "button";
  /** Sets aria-disabled: the button does nothing, keeps the focus, and is announced as unavailable. */
  disabled?: boolean;
  label?: string;
  onClick?: () => void;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({ children, variant = "quiet", type = "button", disabled = false, label, onClick, ref }: ButtonProps) {
  return (
    <button
      ref={ref}
      type={type}
      className={`button button-${variant}`}
      aria-disabled={disabled}
      aria-label={label}
      onClick={(event) => {
        if (disabled) event.preventDefault();
        else onClick?.();
      }}
    >
      {children}
    </button>
  );
}
