"""`python -m docs.generator`: writes what is made from the code into the reference's pages."""

from docs.generator.pages import REFERENCE, current, renewed


def main() -> None:
    for page in sorted(REFERENCE.glob("*.md")):
        if not current(page):
            page.write_text(renewed(page), "utf-8")
            print(f"{page.name} is written anew")


if __name__ == "__main__":
    main()
