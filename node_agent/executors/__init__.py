"""Running handlers: in the event loop, in threads, in processes of their own."""
