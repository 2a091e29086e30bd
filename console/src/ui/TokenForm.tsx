import type { FormEvent } from "react";

/** The server reads it from a request that has no other: feeds of a browser can send no header. */
const COOKIE = "dalsegno_token";

/** Who can show a token is let in, until the browser is closed. */
export function TokenForm() {
  const enter = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const token = String(new FormData(event.currentTarget).get("token") ?? "").trim();
    if (!/^[\w.~+/=-]+$/.test(token)) return;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    // biome-ignore lint/suspicious/noDocumentCookie: the cookie store is not in every browser
    document.cookie = `${COOKIE}=${token}; Path=/; SameSite=Strict${secure}`;
    location.reload();
  };
  return (
    <form className="token-form" onSubmit={enter}>
      <p>
        Paste a token of yours; <code>dalsegno api-token new</code> makes one.
      </p>
      <input
        className="field"
        name="token"
        type="password"
        autoComplete="off"
        aria-label="Token"
        required
      />
      <button type="submit" className="button">
        Enter
      </button>
    </form>
  );
}
