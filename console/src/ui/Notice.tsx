import type { ReactNode } from "react";
import { Problem } from "../api/http";
import { TokenForm } from "./TokenForm";

interface Props {
  title: string;
  children?: ReactNode;
  tone?: "failed" | "idle";
  retry?: () => void;
}

/** What stands where there is nothing to show: why, and what to do. */
export function Notice({ title, children, tone = "idle", retry }: Props) {
  return (
    <div className="notice" data-tone={tone} role={tone === "failed" ? "alert" : "status"}>
      <p className="notice-title">{title}</p>
      {children !== undefined && <div className="notice-text">{children}</div>}
      {retry && (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function ErrorNotice({ error, retry }: { error: Error; retry?: () => void }) {
  const code = error instanceof Problem ? error.code : "error";
  if (code === "unauthorized") {
    return (
      <Notice title="This cluster asks who you are">
        <TokenForm />
      </Notice>
    );
  }
  const title = code === "offline" ? "The API server does not answer" : "That did not work";
  return (
    <Notice title={title} tone="failed" {...(retry ? { retry } : {})}>
      <p>{code === "offline" ? "It is asked again every few seconds." : error.message}</p>
      {code !== "offline" && <p className="mono faint">{code}</p>}
    </Notice>
  );
}

/** Bars in the place of what is being read, of the same height, so that nothing jumps. */
export function Loading({ rows, label }: { rows: number; label: string }) {
  return (
    <div className="loading" role="status">
      <span className="hidden-text">{label}</span>
      {Array.from({ length: rows }, (_, index) => index).map((row) => (
        <span key={row} className="loading-bar" aria-hidden="true" />
      ))}
    </div>
  );
}
