"""Which files a tool call names: one table, tool name -> where the path is and what is done with it.

A name stands for the same thing at every host that uses it, so the table is not split by agent. A tool the table does
not know is searched for the usual path keys in its *input*, and what is found is marked a guess. Outputs and prose
never name a file.

    Claude Code  Read Write Edit MultiEdit NotebookEdit Glob Grep LS Bash
    Codex        apply_patch, exec_command, shell, local_shell_call, view_image
    Cursor       Shell, read_file, edit_file, search_replace, StrReplace, list_dir, codebase_search, ...
    Gemini, Qwen read_file, write_file, replace, list_directory, run_shell_command, read_many_files
    Copilot      view, create, str_replace_editor, bash; in VS Code copilot_readFile, ...
    OpenCode, Pi, Goose, Kimi, Vibe   read, write, edit, bash, patch; developer__text_editor; ReadFile, StrReplaceFile
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from kaizen.derive.patches import files_in_patch, is_patch
from kaizen.derive.shell import Op, files_in_command, script_of
from kaizen.model.event import FileUse

PATH_KEYS = (
    "file_path", "path", "filePath", "absolute_path", "target_file", "notebook_path", "relative_workspace_path", "file",
    "filename", "target_notebook", "target_directory", "dir_path", "directory", "absolutePath",
)  # fmt: skip
_LIST_KEYS = ("paths", "files", "file_paths", "filePaths")
# What an unknown tool's input is searched for.
_GUESSED_KEYS = frozenset(("path", "file_path", "target_file", "file", "relative_workspace_path", "filePath"))
_MAX_GUESSES, _MAX_DEPTH = 16, 4

Input = dict[str, Any] | str
Reader = Callable[[dict[str, Any]], Iterator[FileUse]]


def files_of(tool: str | None, given: object) -> list[FileUse]:
    """The files named by a call's input, each as written. `given` is the input: an object, its JSON, or plain text."""
    fields = given if type(given) is dict else _opened(given)
    if not fields:
        return []
    read = _TOOLS.get(tool or "") or _unknown
    return list(read(fields))


def command_of(fields: dict[str, Any]) -> str:
    """The command line of a shell tool's input, however the host spells it."""
    for key in ("command", "cmd", "script"):
        command = fields.get(key)
        if type(command) is str:
            return command
        if type(command) is list:
            return script_of(command)
    return ""


def _opened(given: object) -> dict[str, Any]:
    if type(given) is list:
        return {"command": given}
    if type(given) is not str:
        return {}
    if given[:1] == "{":
        try:
            value = msgspec.json.decode(given)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            value = None
        if type(value) is dict:
            return value
    return {"text": given}


def _named(op: Op) -> Reader:
    """Tools whose path is under one of `PATH_KEYS`, or that take a list of them."""

    def read(fields: dict[str, Any]) -> Iterator[FileUse]:
        for key in PATH_KEYS:
            if type(path := fields.get(key)) is str and path:
                yield FileUse(path, op)
                return
        for key in _LIST_KEYS:
            if type(paths := fields.get(key)) is list:
                for item in paths:
                    path = _first(item, PATH_KEYS) if type(item) is dict else item
                    if type(path) is str and path:
                        yield FileUse(path, op)
                return

    return read


def _write(fields: dict[str, Any]) -> Iterator[FileUse]:
    """The whole content is new to the file; what it replaced is not known."""
    content = _first(fields, ("content", "contents", "file_text", "text"))
    if path := _first(fields, PATH_KEYS):
        yield FileUse(
            path, "write", added_lines=None if content is None else content.count("\n") + (content[-1:] != "\n")
        )


def _edit(fields: dict[str, Any]) -> Iterator[FileUse]:
    path = _first(fields, PATH_KEYS)
    patch = _first(fields, ("patch", "diff", "patchText", "input"))
    if path is None:
        if patch and is_patch(patch):
            yield from files_in_patch(patch)
        return
    edits = fields.get("edits")
    pairs = (
        [_replacement(edit) for edit in edits if type(edit) is dict] if type(edits) is list else [_replacement(fields)]
    )
    known = [pair for pair in pairs if pair is not None]
    if not known or len(known) != len(pairs):
        yield FileUse(path, "write")
    else:
        yield FileUse(path, "write", sum(added for added, _ in known), sum(removed for _, removed in known))


def _replacement(edit: dict[str, Any]) -> tuple[int, int] | None:
    """`(added, removed)` lines of one replacement; None when it was repeated an unknown number of times."""
    old = _text(edit, ("old_string", "old_str", "oldString", "oldText", "old_text"))
    new = _text(edit, ("new_string", "new_str", "newString", "newText", "new_text"))
    if old is None or new is None or edit.get("replace_all") is True or edit.get("replaceAll") is True:
        return None
    before, after = old.splitlines(), new.splitlines()
    start, end = 0, 0
    shorter = min(len(before), len(after))
    while start < shorter and before[start] == after[start]:
        start += 1
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return len(after) - start - end, len(before) - start - end


def _notebook(fields: dict[str, Any]) -> Iterator[FileUse]:
    if path := _first(fields, PATH_KEYS):
        yield FileUse(path, "write")


def _patch(fields: dict[str, Any]) -> Iterator[FileUse]:
    for key in ("patch", "input", "text", "patchText", "diff", "command", "arguments"):
        text = fields.get(key)
        if type(text) is list:
            text = next((part for part in text if type(part) is str and is_patch(part)), None)
        if type(text) is str and is_patch(text):
            yield from files_in_patch(text)
            return


def _shell(fields: dict[str, Any]) -> Iterator[FileUse]:
    command = command_of(fields) or _first(fields, ("text",)) or ""
    cwd = _first(fields, ("workdir", "cwd", "working_directory", "dir_path")) or ""
    yield from files_in_command(command, "" if cwd == "." else cwd)


_EDITOR_OPS: dict[str, Reader] = {}


def _editor(fields: dict[str, Any]) -> Iterator[FileUse]:
    """Editors with sub-commands: Anthropic's `str_replace_editor`, Goose's and Copilot's variants."""
    yield from _EDITOR_OPS.get(str(fields.get("command")), _EDITOR_OPS["view"])(fields)


def _unknown(fields: dict[str, Any]) -> Iterator[FileUse]:
    seen: dict[str, None] = {}
    _collect(fields, seen, 0)
    for path in seen:
        yield FileUse(path, "read", is_guess=True)


def _collect(value: object, seen: dict[str, None], depth: int) -> None:
    if len(seen) >= _MAX_GUESSES or depth > _MAX_DEPTH:
        return
    if type(value) is dict:
        for key, item in value.items():
            if key in _GUESSED_KEYS and type(item) is str:
                if looks_like_path(item):
                    seen[item] = None
            elif type(item) is dict or type(item) is list:
                _collect(item, seen, depth + 1)
    elif type(value) is list:
        for item in value:
            if type(item) is dict or type(item) is list:
                _collect(item, seen, depth + 1)


def looks_like_path(text: str) -> bool:
    return 0 < len(text) < 1024 and "\n" not in text and "://" not in text


def _first(fields: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """The first non-empty text among `keys`."""
    for key in keys:
        if type(value := fields.get(key)) is str and value:
            return value
    return None


def _text(fields: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """Like `_first`, but an empty text is a text: replacing by nothing is a deletion."""
    for key in keys:
        if type(value := fields.get(key)) is str:
            return value
    return None


_EDITOR_OPS.update({
    "view": _named("read"), "read": _named("read"),
    "create": _write, "write": _write,
    "str_replace": _edit, "insert": _edit, "undo_edit": _edit, "edit": _edit, "replace": _edit,
})  # fmt: skip


def _table(**groups: tuple[Reader, str]) -> dict[str, Reader]:
    return {name: reader for reader, names in groups.values() for name in names.split()}


_TOOLS: dict[str, Reader] = _table(
    read=(_named("read"), """
        Read read ReadFile read_file read_file_v2 read_many_files ReadManyFiles view cat view_file open_file
        NotebookRead
        view_image read_media_file ReadMediaFile copilot_readFile readFile read_text_file read_multiple_files fs_read
        developer__read_file read_notebook get_errors copilot_getErrors read_lints ReadLints"""),
    write=(_write, """
        Write write WriteFile write_file create create_file copilot_createFile createFile write_to_file save_file
        fs_write new_file developer__write_file"""),
    edit=(_edit, """
        Edit edit MultiEdit multiedit multi_edit StrReplace StrReplaceFile str_replace search_replace edit_file
        edit_file_v2 replace replace_string_in_file multi_replace_string_in_file copilot_replaceString
        copilot_insertEdit insert_edit_into_file insert replace_in_file edit_files replace_lines
        developer__edit_file str_replace_based_edit SearchReplace"""),
    notebook=(_notebook, "NotebookEdit EditNotebook edit_notebook edit_notebook_file copilot_editNotebook"),
    patch=(_patch, "apply_patch ApplyPatch patch copilot_applyPatch apply_diff"),
    delete=(_named("delete"), "Delete delete_file DeleteFile delete remove_file"),
    search=(_named("search"), """
        Glob glob Grep grep rg grep_search ripgrep ripgrep_raw_search find search search_files search_file_content
        file_search
        glob_file_search glob_files codebase_search SemanticSearch semantic_search grep_files FindFiles find_files
        copilot_findTextInFiles copilot_findFiles"""),
    list=(_named("list"), """
        LS ls list list_dir list_dir_v2 list_directory ListDir list_files directory_tree copilot_listDirectory"""),
    shell=(_shell, """
        Bash bash Shell shell exec_command shell_command local_shell_call local_shell container.exec
        run_terminal_cmd run_terminal_command run_terminal_command_v2 run_in_terminal run_shell_command run_command
        execute_command terminal Execute execute developer__shell command_execution PowerShell powershell
        execute_bash exec unified_exec"""),
    editor=(_editor, """
        str_replace_editor str_replace_based_edit_tool developer__text_editor text_editor str_replace_tool"""),
)  # fmt: skip

# Common tools that name no file and no guidance: not worth looking.
_NAMELESS = """
    TodoWrite TodoRead TodoList todo_write update_plan write_stdin WebSearch WebFetch web_search web_fetch fetch
    Task Agent BashOutput KillBash KillShell TaskOutput TaskStop TaskCreate TaskUpdate TaskList TaskGet
    AskUserQuestion ExitPlanMode EnterPlanMode SendMessage ToolSearch think Think wait_agent spawn_agent
    report_intent
"""
NAMELESS = frozenset(_NAMELESS.split())
