-- Why: a program that follows the log hears of appends as subscriptions of the library do.
LISTEN events
