"""`dalsegno completion`: the script that lets a shell complete commands, options and files."""

from typing import Literal

from events.errors import Misconfigured

ZSH_SOURCED = """
if [[ ${funcstack[1]:-} == _* ]]; then
  _cyclopts_dalsegno "$@"
else
  compdef _cyclopts_dalsegno dalsegno
fi
"""
"""So that the printed script works from a folder of functions, and also when it is sourced."""


def completion(shell: Literal["bash", "zsh", "fish"], *, install: bool = False) -> None:
    """Print the script that makes a shell complete our commands and options, or install it.

    The script stands alone: completing starts no Python. Make it anew after an upgrade.

    Parameters
    ----------
    shell
        Which shell's.
    install
        Write it where the shell looks for it, under the home folder, and let the shell's startup
        file read it; print where that is.

    Examples
    --------
    dalsegno completion bash --install
        From the next shell on, `dalsegno run <Tab>` completes.
    dalsegno completion fish
        Print the script; `source <(dalsegno completion bash)` tries it once.
    """
    from orchestrator.cli.main import make_app

    app = make_app()
    if not install:
        print(
            app.generate_completion(shell=shell) + (ZSH_SOURCED if shell == "zsh" else ""), end=""
        )
        return
    try:
        path = app.install_completion(shell=shell)
    except OSError as error:
        raise Misconfigured(
            f"the completion of {shell} cannot be written to {error.filename}: {error.strerror}; "
            f"put what `dalsegno completion {shell}` prints where your shell reads it"
        ) from error
    print(f"{path} is written; it works in the next {shell} that you start")
