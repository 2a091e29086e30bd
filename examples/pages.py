"""A loop in Python: page after page is fetched as long as there is a next one.

dalsegno try examples/pages.py
"""

from node_agent import task
from orchestrator.authoring import Workflow

PAGES = {1: ("Guido", 2), 2: ("of", 3), 3: ("Arezzo", None)}


@task(name="pages.fetch")
def fetch(page: int) -> dict[str, str | int | None]:
    text, following = PAGES[page]
    return {"text": text, "next": following}


flow = Workflow("pages")
flow.set("first", page=1, text="")
pages = flow.repeat_while("pages", flow.vars.page != None, most=10)  # noqa: E711 -- a term
with pages.body():
    fetched = flow.task("fetch", fetch, page=flow.vars.page)
    flow.set("next", page=fetched.output.next, text=flow.vars.text + " " + fetched.output.text)
flow.output(text=flow.vars.text)
