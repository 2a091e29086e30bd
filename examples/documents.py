"""Map and reduce: the words of every document are counted at the same time, then added up.

    dalsegno try examples/documents.py --agents 2 --input @examples/documents.json

One of the documents is empty, and its item fails; `collect` goes on with the others and keeps the
failure among the results.
"""

from collections import Counter

import msgspec

from node_agent import TaskError, task
from orchestrator.authoring import Retry, Workflow


class Document(msgspec.Struct):
    name: str
    text: str


class Words(msgspec.Struct):
    name: str
    counts: dict[str, int]


@task(name="documents.count")
def count(document: Document) -> Words:
    words = [word.strip(".,;!?'").lower() for word in document.text.split()]
    if not words:
        raise TaskError("no_text", f"{document.name} is empty", retryable=False)
    return Words(document.name, dict(Counter(words)))


@task(name="documents.merge")
def merge(results: list[dict[str, object]], top: int = 5) -> dict[str, object]:
    total: Counter[str] = Counter()
    unread = 0
    for result in results:
        if "error" in result:
            unread += 1
        else:
            total.update(msgspec.convert(result, Words).counts)
    ordered = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
    return {"words": sum(total.values()), "top": ordered[:top], "unread": unread}


flow = Workflow("documents", timeout="5m", description="Counts the words of documents.")

counted = flow.map("count", count, flow.input.documents, concurrency=4, document=flow.item)
counted.retry(Retry(attempts_max=3, initial_s=0.2)).timeouts("1m").done_when("collect")

merged = flow.task("merge", merge, results=counted.output, top=flow.input.top)
flow.output(merged.output)
