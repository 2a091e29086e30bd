import { useEffect, useState } from "react";

export type Theme = "system" | "light" | "dark";

const KEY = "dalsegno.theme";

function stored(): Theme {
  const theme = document.documentElement.dataset.theme;
  return theme === "light" || theme === "dark" ? theme : "system";
}

/** `theme.js` has set it before the first paint; here it is changed. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState<Theme>(stored);
  useEffect(() => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // A browser that keeps nothing for pages: the theme lasts as long as the page.
    }
  }, [theme]);
  return [theme, setTheme];
}

/** Changes whenever colours do, for what is drawn on a canvas. */
export function useColourScheme(): string {
  const [scheme, setScheme] = useState(() => `${stored()}:${systemIsDark()}`);
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const look = () => setScheme(`${stored()}:${systemIsDark()}`);
    const watcher = new MutationObserver(look);
    watcher.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    media.addEventListener("change", look);
    return () => {
      watcher.disconnect();
      media.removeEventListener("change", look);
    };
  }, []);
  return scheme;
}

function systemIsDark(): boolean {
  return matchMedia("(prefers-color-scheme: dark)").matches;
}
