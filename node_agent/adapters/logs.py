"""Log lines on stderr: text for people, or JSON with the ids of run and task."""

import logging
import sys

import msgspec

IDS = ("run_id", "task", "attempt")


class JsonLines(logging.Formatter):
    """One object a line: `at` (microseconds since the epoch), level, logger, message, ids."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": round(record.created * 1_000_000),
            "level": record.levelname,
            "logger": record.name,
            "node": self._node,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in IDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def set_up_logging(level: str, style: str, node: str) -> None:
    """Sends all log lines of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    if style == "json":
        handler.setFormatter(JsonLines(node))
    else:
        handler.setFormatter(
            logging.Formatter(f"%(asctime)s %(levelname)s {node} %(name)s: %(message)s")
        )
    logging.basicConfig(level=level, handlers=[handler], force=True)
