"""Tables of real inputs: snippets of transcripts of Claude Code, Codex, Cursor and others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen.derive.facts import extract
from kaizen.model.event import Facts, FileUse, GuidanceUse

PATCH = """*** Begin Patch
*** Update File: internal/parser/codex.go
@@ func x
-old
+new
+newer
*** Add File: docs/new file.md
+one
*** Delete File: TODO.md
*** Update File: a.py
*** Move to: b.py
@@
+x
*** End Patch"""
DIFF = """--- a/src/x.py\t2024-01-01
+++ b/src/x.py
@@ -1,3 +1,2 @@
 keep
--- a removed line that looks like a header
-gone
+new
--- /dev/null
+++ b/src/made.py
@@ -0,0 +1 @@
+hello
--- a/old.py
+++ /dev/null
@@ -1 +0,0 @@
-bye
"""
PATCHED = [
    ("internal/parser/codex.go", "write", 2, 1),
    ("docs/new file.md", "create", 1, 0),
    ("TODO.md", "delete", None, None),
    ("a.py", "delete", None, None),
    ("b.py", "create", 1, 0),
]


def files(tool: str, given: Any) -> list[tuple[Any, ...]]:
    found = extract("tool_call", None, tool, {"input": given})
    return [(use.path, use.op, use.added_lines, use.removed_lines) for use in found.files] if found else []


@pytest.mark.parametrize(
    ("tool", "given", "expected"),
    [
        # Claude Code
        (
            "Read",
            {"file_path": "/Users/chip/dev/ai.py", "limit": 50, "offset": 55},
            [("/Users/chip/dev/ai.py", "read")],
        ),
        ("Write", {"file_path": "/p/x.js", "content": "a\nb"}, [("/p/x.js", "write", 2, None)]),
        (
            "Edit",
            {"file_path": "/p/r.txt", "old_string": "a\nb\nc", "new_string": "a\nX\nY\nc"},
            [("/p/r.txt", "write", 2, 1)],
        ),
        ("Edit", {"file_path": "/p/r", "old_string": "a", "new_string": "", "replace_all": True}, [("/p/r", "write")]),
        (
            "MultiEdit",
            {
                "file_path": "/p/m.ts",
                "edits": [{"old_string": "a", "new_string": "b"}, {"old_string": "c\nd", "new_string": ""}],
            },
            [("/p/m.ts", "write", 1, 3)],
        ),
        ("NotebookEdit", {"notebook_path": "/p/n.ipynb", "new_source": "x"}, [("/p/n.ipynb", "write")]),
        ("Glob", {"pattern": "**/*.json"}, []),
        ("Glob", {"pattern": "**/*.md", "path": "./.claude/x"}, [("./.claude/x", "search")]),
        ("Grep", {"pattern": "a/b", "path": "/p", "-n": True}, [("/p", "search")]),
        ("LS", {"path": "/Users/chip/dev/ai-music"}, [("/Users/chip/dev/ai-music", "list")]),
        ("Bash", {"command": "git status", "description": "Check a/b.txt"}, []),
        ("Bash", {"command": "git commit -m \"$(cat <<'EOF'\nAdd x > y/z\nEOF\n)\""}, []),
        ("TodoWrite", {"todos": [{"content": "path", "path": "no"}]}, []),
        # Codex
        ("shell", '{"command":["bash","-lc","sed -n \'1,200p\' go.mod"]}', [("go.mod", "read")]),
        ("shell", {"command": ["bash", "-lc", "ls -la"]}, []),
        ("exec_command", '{"cmd":"cat a.go | head -5","workdir":"/tmp"}', [("/tmp/a.go", "read")]),
        ("local_shell_call", {"command": ["cat", "my file/x"]}, [("my file/x", "read")]),
        ("shell", {"command": ["apply_patch", PATCH]}, PATCHED),
        ("shell", {"command": ["bash", "-lc", f"apply_patch <<'EOF'\n{PATCH}\nEOF"]}, PATCHED),
        ("apply_patch", PATCH, PATCHED),
        ("apply_patch", {"patch": PATCH}, PATCHED),
        ("apply_patch", f'{{"input": {__import__("json").dumps(PATCH)}}}', PATCHED),
        ("exec", "await tools.apply_patch(patchText);", []),
        ("update_plan", {"plan": [{"step": "x", "path": "p"}]}, []),
        # Cursor
        ("Shell", {"command": "cd web && rm -f dist/app.js"}, [("web/dist/app.js", "delete")]),
        ("read_file", {"target_file": "src/a.ts"}, [("src/a.ts", "read")]),
        ("edit_file", {"target_file": "src/a.ts", "code_edit": "..."}, [("src/a.ts", "write")]),
        ("search_replace", {"file_path": "a", "old_string": "x", "new_string": "y"}, [("a", "write", 1, 1)]),
        ("list_dir", {"relative_workspace_path": "src"}, [("src", "list")]),
        ("delete_file", {"target_file": "old.py"}, [("old.py", "delete")]),
        # others
        ("write_file", {"absolute_path": "/g/x", "content": "1\n"}, [("/g/x", "write", 1, None)]),
        ("read_many_files", {"paths": ["a", "b"]}, [("a", "read"), ("b", "read")]),
        ("str_replace_editor", {"command": "create", "path": "/x.py", "file_text": "1"}, [("/x.py", "write", 1, None)]),
        ("str_replace_editor", {"command": "view", "path": "/x.py"}, [("/x.py", "read")]),
        ("edit", {"filePath": "/o.py", "oldString": "a", "newString": "b\nc"}, [("/o.py", "write", 2, 1)]),
        (
            "patch",
            {"patchText": DIFF},
            [("src/x.py", "write", 1, 2), ("src/made.py", "create", 1, 0), ("old.py", "delete", 0, 1)],
        ),
        # unknown tools: the keys of spans.md 6.1, below `input` only
        ("mcp__fs__stat", {"options": {"path": "deep/x"}, "name": "no"}, [("deep/x", "read")]),
        ("mcp__web__get", {"path": "https://h/x"}, []),
    ],
)
def test_files_of_a_call(tool: str, given: Any, expected: list[tuple[Any, ...]]) -> None:
    assert files(tool, given) == [(*row, None, None)[:4] for row in expected]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ('cat .python-version || true && rg -n "python ?(3\\.[0-9]+)" -S || true', ["read .python-version"]),
        ("cd sub && sed -i 's/a/b/' x.py > out.txt 2>&1", ["write sub/x.py", "write sub/out.txt"]),
        ("cat <<EOF > a/b.txt\nhello > x\nEOF\ntouch c", ["write a/b.txt", "create c"]),
        ("ls -la src/ tests", ["list src/", "list tests"]),
        ("rm -rf build dist/* $OUT", ["delete build"]),
        ("FOO=1 python3 scripts/x.py --a b", ["run scripts/x.py"]),
        ("python -c 'print(1)' ; python -m pytest tests", []),
        ("grep -rn 'foo bar' src | head -5", ["search src"]),
        ("grep -e a -e b src", ["search src"]),
        ("mv a.py b/c.py && cp x y", ["delete a.py", "write b/c.py", "read x", "write y"]),
        ("find src -name '*.py'", ["search src"]),
        ("tail -n 20 'my dir/log.txt'", ["read my dir/log.txt"]),
        ("cat <<< hi; wc -l < in.txt; pytest -q 2>/dev/null", ["read in.txt"]),
        ('echo "a > b" >> log.md', ["write log.md"]),
        ("npm run build 2>&1 | tee build.log", ["write build.log"]),
        ("if [ -f x ]; then cat y; fi", ["read y"]),
        ("curl https://x.y/z > page.html", ["write page.html"]),
        ("./run.sh a", ["run ./run.sh"]),
        ("cat 'unclosed", []),
        ("> ; < | && ||", []),
    ],
)
def test_guesses_of_a_command(command: str, expected: list[str]) -> None:
    found = extract("tool_call", None, "Bash", {"input": {"command": command}})
    assert [f"{use.op} {use.path}" for use in (found.files if found else [])] == expected
    assert all(use.is_guess for use in (found.files if found else []))


paths = st.from_regex(r"[a-z][a-z0-9_]{0,8}(/[a-z][a-z0-9_]{0,8}){0,3}\.[a-z]{1,3}", fullmatch=True)
KNOWN = [("Read", "file_path"), ("Write", "file_path"), ("Edit", "file_path"), ("LS", "path"),
         ("read_file", "target_file"), ("NotebookEdit", "notebook_path"), ("view", "path"),
         ("delete_file", "target_file")]  # fmt: skip
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(["path", "command", "edits",
        "input", "text", "output", "exit_code", "metadata", "patch", "old_string", "new_string"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from(KNOWN), paths, st.dictionaries(st.sampled_from(["limit", "content", "note"]), st.text()))
def test_every_path_of_a_known_tool_is_found_and_no_other(
    known: tuple[str, str], path: str, more: dict[str, str]
) -> None:
    tool, key = known
    found = extract("tool_call", None, tool, {"input": {**more, key: path}, "output": "see /etc/x", "text": "src/y.py"})
    assert found
    assert [use.path for use in found.files] == [path]


@given(st.lists(st.tuples(paths, st.sampled_from(["Add", "Update", "Delete"])), min_size=1, max_size=5))
def test_every_path_of_a_patch_is_found(changes: list[tuple[str, str]]) -> None:
    patch = "\n".join(["*** Begin Patch", *(f"*** {kind} File: {path}\n+x" for path, kind in changes), "*** End Patch"])
    assert [row[0] for row in files("apply_patch", patch)] == [path for path, _ in changes]


@given(paths)
def test_outputs_and_prose_name_no_files(path: str) -> None:
    for kind, role, key in (
        ("tool_result", None, "output"),
        ("message", "assistant", "text"),
        ("message", "prompt", "text"),
    ):
        found = extract(kind, role, "Read", {key: f"file_path: {path}", "file_path": path})
        assert found is None or found.files == []


@given(
    st.sampled_from(["tool_call", "tool_result", "message", "error", "lifecycle", "hook", "cost"]),
    st.sampled_from([None, "prompt", "assistant", "context", "thinking"]),
    st.sampled_from([None, "Read", "Edit", "Bash", "apply_patch", "shell", "str_replace_editor", "Skill", "mcp__x"]),
    st.dictionaries(st.sampled_from(["input", "output", "text", "event", "exit_code", "error", "reason"]), json),
)
def test_nothing_a_payload_holds_makes_it_raise(
    kind: str, role: str | None, tool: str | None, payload: dict[str, Any]
) -> None:
    extract(kind, role, tool, payload)


@given(st.text(alphabet=" \n\"'\\<>&|;()$abc/.-0123=EOF", max_size=80))
def test_no_command_line_makes_it_raise(command: str) -> None:
    extract("tool_call", None, "Bash", {"input": {"command": command}})


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"output": "ok"}, (None, None)),
        (
            {"output": "The user doesn't want to proceed with this tool use. The tool use was rejected (eg."},
            (None, "denied"),
        ),
        ({"output": "The user doesn't want to take this action right now. STOP"}, (None, "denied")),
        ({"output": [{"type": "text", "text": "[Request interrupted by user for tool use]"}]}, (None, "interrupted")),
        (
            {"output": "Claude requested permissions to write to /p/C.md, but you haven't granted it yet."},
            (None, "denied"),
        ),
        ({"output": "Permission to use Bash with command rm has been denied."}, (None, "denied")),
        ({"output": "Exit code 1\nboom"}, (1, None)),
        ({"output": "Exit code 124\nCommand timed out after 2m 0.0s"}, (124, "timeout")),
        ({"output": "Command timed out after 2m 0.0s"}, (None, "timeout")),
        ({"output": "x", "exit_code": 0}, (0, None)),
        ({"output": {"output": "x", "metadata": {"exit_code": 3, "duration_seconds": 0.1}}}, (3, None)),
        ({"output": {"stdout": "", "interrupted": True}}, (None, "interrupted")),
        ({"output": "Chunk ID: 1f\nWall time: 0.5 seconds\nProcess exited with code 2\nOutput:\n"}, (2, None)),
        ({"output": "Exit code: 0\nWall time: 1 seconds\nOutput:\n"}, (0, None)),
        ({"output": "exec command rejected by user"}, (None, "denied")),
        ({"output": "aborted by user after 3.2s"}, (None, "interrupted")),
        ({"output": "Command: ls\nDirectory: (root)\nOutput: x\nError: (none)\nExit Code: 4\nSignal: 0"}, (4, None)),
        ({"output": "[Operation Cancelled] Reason: User cancelled"}, (None, "interrupted")),
        ({"output": "done\n<exited with exit code 7>"}, (7, None)),
        ({"output": "a file says:\nThe user doesn't want to proceed\nExit code 1"}, (None, None)),
        ({"error": "PreToolUse:Edit hook returned blocking error"}, (None, "denied")),
        ({"reason": "denied"}, (None, "denied")),
        ({"reason": "sandbox"}, (None, "sandbox")),
        ({"reason": "it is a long story", "exit_code": True}, (None, None)),
    ],
)
def test_how_a_result_ended(payload: dict[str, Any], expected: tuple[int | None, str | None]) -> None:
    found = extract("tool_result", None, "Bash", payload) or Facts()
    assert (found.exit_code, found.reason) == expected


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("fix the test", "fix the test"),
        ("\n\n  fix   the\ttest \nmore", "fix the test"),
        ("<objective>do it</objective> rest", "do it"),
        ("<untrusted_objective>\ndo it", "do it"),
        ("<user_query>\nfix it\n</user_query>", "fix it"),
        ("<system-reminder>x\ny</system-reminder>\nhello", "hello"),
        (
            "<command-message>a…</command-message>\n<command-name>/deploy</command-name>\n<command-args>now</command-args>",
            "/deploy now",
        ),
        ("Why is <div> empty?", "Why is <div> empty?"),
        ("<environment_context>\n<cwd>/x</cwd>", None),
        ("# AGENTS.md instructions for /x", None),
        ("  \n ", None),
        ("a" * 130, "a" * 120),
        ("e" * 119 + "e\u0301x", "e" * 119),
        ("x\x1by\x07z", "x y z"),
    ],
)
def test_title_of_a_prompt(text: str, title: str | None) -> None:
    found = extract("message", "prompt", None, {"text": text})
    assert (found.title if found else None) == title


@given(st.text())
def test_a_title_is_one_short_line(text: str) -> None:
    found = extract("message", "prompt", None, {"text": text})
    if found and found.title is not None:
        assert 0 < len(found.title) <= 120
        assert found.title == found.title.strip()
        assert "\n" not in found.title


def guided(kind: str, role: str | None, tool: str | None, payload: dict[str, Any]) -> list[str]:
    found = extract(kind, role, tool, payload)
    return [f"{use.how} {use.scope} {use.kind} {use.name}" for use in (found.guidance if found else [])]


Event = tuple[str, str | None, str | None, dict[str, Any]]


def call(tool: str, given: dict[str, Any]) -> Event:
    return "tool_call", None, tool, {"input": given}


def message(role: str, text: str) -> Event:
    return "message", role, None, {"text": text}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (call("Skill", {"skill": "pdf"}), ["loaded project skill pdf"]),
        (call("Skill", {"skill": "docs:pdf"}), ["loaded user skill docs:pdf"]),
        (call("Skill", {"skill": "no/slug"}), []),
        (call("Read", {"file_path": "/w/.claude/skills/x/SKILL.md"}), ["loaded project skill x"]),
        (call("Read", {"file_path": "/home/u/.claude/skills/x/SKILL.md"}), ["loaded user skill x"]),
        (call("Read", {"file_path": "/w/.claude/skills/x/ref.md"}), ["mentioned project skill x"]),
        (call("Read", {"file_path": "/w/.cursor/rules/a/Foo.MDC"}), ["loaded project rule Foo"]),
        (call("Bash", {"command": "cat ~/.agents/skills/x/SKILL.md"}), ["mentioned user skill x"]),
        (call("Bash", {"command": "ls .cursor/skills/** .cursor/skills/{} .cursor/skills/.foo"}), []),
        (("tool_result", None, "Bash", {"output": ".claude/skills/a\n.claude/skills/b"}), []),
        (message("prompt", "use .claude/commands/ship.md and .github/instructions/py.instructions.md"),
         ["mentioned project command ship", "mentioned project rule py"]),
        (message("prompt", "<command-name>/ship</command-name>"), ["loaded project command ship"]),
        (message("context", "<command-name>/clear</command-name>"), []),
        (message("context", "Base directory for this skill: /root/.claude/skills/x\n\n# X"),
         ["loaded user skill x"]),
        (message("context", "skills: .claude/skills/x"), []),
        (message("prompt", r"C:\Users\u\.claude\skills\x\SKILL.md"), ["mentioned user skill x"]),
        (message("prompt", "/mnt/home/u/.claude/skills/x/"), ["mentioned project skill x"]),
        (message("prompt", ".claude/skills/" + "x" * 65), []),
        (("lifecycle", None, None, {"event": "InstructionsLoaded", "file_path": "/w/.claude/rules/a.md"}),
         ["loaded project rule a"]),
    ],
)  # fmt: skip
def test_guidance(event: Event, expected: list[str]) -> None:
    assert guided(*event) == expected


@given(st.from_regex(r"[A-Za-z0-9_.*{}-]{1,70}", fullmatch=True))
def test_names_have_the_shape_of_slugs(name: str) -> None:
    found = extract("message", "prompt", None, {"text": f"see .claude/skills/{name}/SKILL.md .cursor/rules/{name}.mdc"})
    for use in found.guidance if found else []:
        assert 0 < len(use.name) <= 64
        assert use.name[0].isalnum()
        assert all(c.isalnum() or c in "_-" for c in use.name)


def test_most_events_have_no_facts() -> None:
    assert extract("message", "assistant", None, {"text": "Done."}) is None
    assert extract("tool_result", None, "Read", {"output": "1\tx"}) is None
    assert extract("tool_call", None, "Read", None) is None
    assert FileUse("a", "read") == FileUse("a", "read")
    assert GuidanceUse("skill", "a", "user", "loaded") in {GuidanceUse("skill", "a", "user", "loaded"): 1}
