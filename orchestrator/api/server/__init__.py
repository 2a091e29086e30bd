"""Speaking HTTP: Litestar's routes over a service, served by uvicorn."""
