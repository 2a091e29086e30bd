import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Problem } from "./api/http";
import { App } from "./app/App";
import "./styles/index.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      // A server that does not answer is asked again; what it refuses, it would refuse again.
      retry: (failures, error) => isSilent(error) && failures < 2,
      retryDelay: 600,
      refetchInterval: (query) => (isSilent(query.state.error) ? 3_000 : false),
      networkMode: "always",
    },
  },
});

function isSilent(error: Error | null): boolean {
  return error instanceof Problem && (error.status === 0 || error.status === 503);
}

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no element #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
