import type { ReactNode } from "react";
import { go } from "./router";

interface Props {
  to: string;
  className?: string;
  children: ReactNode;
}

/** A link within the console: a plain one for new tabs, without loading the page anew. */
export function Link({ to, className, children }: Props) {
  return (
    <a
      href={to}
      className={className}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        event.stopPropagation();
        go(to);
      }}
    >
      {children}
    </a>
  );
}
