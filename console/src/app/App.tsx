import { lazy, Suspense } from "react";
import { RunsPage } from "../runs/RunsPage";
import { Icon } from "../ui/Icon";
import { Loading, Notice } from "../ui/Notice";
import { Link } from "./Link";
import { routeOf, useAddress } from "./router";
import { Segno } from "./Segno";
import { type Theme, useTheme } from "./theme";

const RunPage = lazy(() => import("../run/RunPage"));

export function App() {
  const { path } = useAddress();
  const route = routeOf(path);
  return (
    <>
      <a className="skip-link" href="#main">
        To the content
      </a>
      <header className="masthead">
        <Link to="/" className="brand">
          <Segno />
          Dal Segno
        </Link>
        <ThemeSwitch />
      </header>
      <main id="main" className={`page page-${route.page}`} tabIndex={-1}>
        {route.page === "runs" && <RunsPage />}
        {route.page === "run" && (
          <Suspense fallback={<Loading rows={6} label="Reading the run" />}>
            <RunPage key={route.id} id={route.id} />
          </Suspense>
        )}
        {route.page === "nowhere" && (
          <Notice title="There is no such page">
            <h1 className="hidden-text">Nowhere</h1>
            <Link to="/">All runs</Link>
          </Notice>
        )}
      </main>
    </>
  );
}

const THEMES: readonly [Theme, "system" | "sun" | "moon", string][] = [
  ["system", "system", "As the system"],
  ["light", "sun", "Light"],
  ["dark", "moon", "Dark"],
];

function ThemeSwitch() {
  const [theme, setTheme] = useTheme();
  return (
    <fieldset className="switch">
      <legend className="hidden-text">Theme</legend>
      {THEMES.map(([value, icon, label]) => (
        <label key={value} title={label}>
          <input
            type="radio"
            name="theme"
            value={value}
            checked={theme === value}
            onChange={() => setTheme(value)}
          />
          <Icon name={icon} />
          <span className="hidden-text">{label}</span>
        </label>
      ))}
    </fieldset>
  );
}
