"""The Tab key in bash, zsh and fish: the script each shell loads, and the answer when it asks.

The script calls `kaizen` with `_KAIZEN_COMPLETE=<shell>_complete` and the command line so far in its environment. What
may follow comes from the commands themselves and from `cli.candidates`. zsh and fish use click's scripts. bash has one
of its own, because to bash a word also ends at `:` and `=`: `tool:Bash` would come out as `tool:tool:Bash`.
"""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

SHELLS = ("bash", "zsh", "fish")
ASKED = "_KAIZEN_COMPLETE"

_BASH = r"""_kaizen_completion() {
    local line=${COMP_LINE:0:COMP_POINT} current=${COMP_WORDS[COMP_CWORD]} kind value word prefix=
    COMPREPLY=()
    if [[ $current != [\"\']* ]]; then
        # Bash replaces what follows the last of its own separators, not the whole word; an @ it replaces too.
        word=${line##*[[:blank:]]}
        prefix=${word%"${word##*["$COMP_WORDBREAKS"]}"}
        prefix=${prefix%@}
    fi
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            plain)
                value=${value#"$prefix"}
                [[ $current == [\"\']* ]] || printf -v value %q "$value"
                COMPREPLY+=("$value")
                ;;
        esac
    done <<< "$(_KAIZEN_COMPLETE=bash_complete COMP_LINE="$line" "$1" 2>/dev/null)"
}
complete -o nosort -F _kaizen_completion kaizen 2>/dev/null || complete -F _kaizen_completion kaizen
"""
# Without this, `compdef` is unknown in a shell whose start-up files never asked for completion.
_ZSH_HEAD = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i; }\n"


def script(shell: str) -> str:
    """What the shell has to load. Ends with a newline."""
    if shell == "bash":
        return _BASH
    made = _of_click(shell)
    text = (made.source_template % made.source_vars()).strip() + "\n"
    # `#compdef` must stay the first line, for those who put the script into a folder of `fpath`.
    return text.replace("\n", f"\n{_ZSH_HEAD}", 1) if shell == "zsh" else text


def answer(env: Mapping[str, str]) -> int:
    """Prints what may follow the command line so far; nothing when that cannot be found out."""
    shell = env[ASKED].partition("_")[0]
    if shell not in SHELLS:
        return 1
    try:
        made = _of_click(shell)
        args, typed = _line(env.get("COMP_LINE", "")) if shell == "bash" else made.get_completion_args()
        found = made.get_completions(args, typed)
        if shell != "bash" and typed.startswith("--") and "=" in typed:
            for item in found:  # these two replace the whole word
                item.value = f"{typed.partition('=')[0]}={item.value}"
        said = "\n".join(map(made.format_completion, found))
    except Exception:
        return 1  # an error message would end up in the middle of what is being typed
    sys.stdout.write(f"{said}\n" if said else "")
    return 0


def _line(line: str) -> tuple[list[str], str]:
    """(words before the one being typed, that one)."""
    from click.shell_completion import split_arg_string

    words = split_arg_string(line)
    if line[-1:].isspace() and not line.endswith("\\ ") and split_arg_string(line + "x")[-1] == "x":
        words.append("")
    return words[1:-1], words[-1] if len(words) > 1 else ""


def _of_click(shell: str) -> "ShellComplete":
    from click.shell_completion import get_completion_class

    from kaizen.cli.group import root

    kind = get_completion_class(shell)
    assert kind is not None  # click knows all of SHELLS
    return kind(root, {}, "kaizen", ASKED)
