"""Logging of our processes: for people on a terminal, else one JSON object a line; redacted.

Whoever logs adds ids by `extra`: `log.info("…", extra={"run_id": …, "step": …})`.
"""

import logging
import sys
import time

import msgspec

from events.redaction import redact, redact_text
from orchestrator.config import LogConfig

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}

SAID_BY_US = ("psycopg",)
"""Loggers that warn, in words of their own, of what we tell of ourselves a moment later."""


def set_up(config: LogConfig) -> None:
    """Makes stderr the only place that logs go to."""
    as_text = config.format == "text" or (config.format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    logging.basicConfig(level=config.level, handlers=[handler], force=True)
    for name in SAID_BY_US:
        logging.getLogger(name).setLevel(logging.ERROR)


def extras(record: logging.LogRecord) -> dict[str, object]:
    """What was added by `extra`, redacted."""
    found = {k: v for k, v in vars(record).items() if k not in _STANDARD and not k.startswith("_")}
    return {key: redact(value, key) for key, value in found.items()}


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%H:%M:%S", time.gmtime(record.created))
        ids = "".join(f" {key}={value}" for key, value in extras(record).items())
        name = record.name.removeprefix("dalsegno.")
        line = f"{at}.{int(record.msecs):03d} {record.levelname:<7} {name}: {record.getMessage()}"
        text = line + ids
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return redact_text(text)


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "at": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": redact_text(record.getMessage()),
            **extras(record),
        }
        if record.exc_info:
            line["exception"] = redact_text(self.formatException(record.exc_info))
        return msgspec.json.encode(line, enc_hook=str).decode()
