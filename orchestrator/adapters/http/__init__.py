"""HTTP as a client speaks it: requests and streams of server-sent events, over httpx."""
