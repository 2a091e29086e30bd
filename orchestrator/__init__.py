"""The coordinator of Dal Segno: it decides, stores every decision as an event, and replays."""
