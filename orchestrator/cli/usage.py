"""Wrong usage in the words of the help: what is missing or too much, and whose help to read."""

import cyclopts

from orchestrator.cli.names import alike


def wrong_usage(error: cyclopts.CycloptsError) -> str:
    """The message for an error of the parser, and the mend."""
    chain = list(error.command_chain or [])
    command = " ".join(["dalsegno", *chain])
    if isinstance(error, cyclopts.UnusedCliTokensError):
        told = f"`{command}` takes no {' '.join(map(repr, error.unused_tokens or []))}."
    elif isinstance(error, cyclopts.UnknownCommandError):
        told = _unknown(command, error)
    elif isinstance(error, cyclopts.MissingArgumentError):
        told = f"`{command}`: {_missing(error)}."
    else:
        told = " ".join(str(error).split())
    return f"{told}\nTry `{command} --help`."


def _unknown(command: str, error: cyclopts.UnknownCommandError) -> str:
    word = (error.unused_tokens or [""])[0]
    known = [name for name in error.app or () if not name.startswith("-")]
    return f'`{command}` has no command "{word}"{alike(word, known)}: expected {", ".join(known)}'


def _missing(error: cyclopts.MissingArgumentError) -> str:
    argument = error.argument
    if argument is None or error.keyword is not None or argument.tokens:
        return " ".join(str(error).partition("parameter ")[2].rstrip(".").split())
    return f"{argument.name.removeprefix('--').upper()} is missing"
