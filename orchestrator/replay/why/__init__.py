"""Why: the causes of an event, the record of its decision, and both as sentences."""
