"""`python -m docs.generator`: writes what is made from the code into the reference's pages, and the
schema of workflow files beside them.
"""

from docs.generator.pages import REFERENCE, current, renewed
from orchestrator.authoring.form_schema import form_schema_text


def main() -> None:
    for page in sorted(REFERENCE.glob("*.md")):
        if not current(page):
            page.write_text(renewed(page), "utf-8")
            print(f"{page.name} is written anew")
    (REFERENCE / "workflow.schema.json").write_text(form_schema_text(), "utf-8")


if __name__ == "__main__":
    main()
