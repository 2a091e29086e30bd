"""Log lines on stderr: text for people, or JSON with the ids of run and task; redacted."""

import logging
import sys
import time

import msgspec

from events.redaction import redact_text

IDS = ("run_id", "task", "attempt")
TELLTALES = ("httpx", "httpcore")
"""Loggers that write whole URLs and the headers of responses, below the level of warnings."""


class TextLines(logging.Formatter):
    """For people: time of day in UTC, level, node, logger, message."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%H:%M:%S", time.gmtime(record.created))
        name = record.name.removeprefix("dalsegno.")
        ids = "".join(f" {k}={getattr(record, k)}" for k in IDS if hasattr(record, k))
        head = f"{at}.{int(record.msecs):03d} {record.levelname:<7} {self._node} {name}"
        text = f"{head}: {record.getMessage()}{ids}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return redact_text(text)


class JsonLines(logging.Formatter):
    """One object a line, with the ids of run, task and attempt where there are any."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "at": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": redact_text(record.getMessage()),
            "node": self._node,
        }
        line |= {name: getattr(record, name) for name in IDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = redact_text(self.formatException(record.exc_info))
        return msgspec.json.encode(line).decode()


def set_up_logging(level: str, style: str, node: str) -> None:
    """Makes stderr the only place that log lines of this process go to."""
    as_text = style == "text" or (style == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLines(node) if as_text else JsonLines(node))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in TELLTALES:
        logging.getLogger(name).setLevel(logging.WARNING)
