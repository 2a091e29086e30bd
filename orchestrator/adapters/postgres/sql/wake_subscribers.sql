-- Why: subscriptions of the library sleep until they are notified, and appends notify nobody.
NOTIFY events
