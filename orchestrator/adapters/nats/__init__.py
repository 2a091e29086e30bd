"""The command plane and the client port over NATS."""
