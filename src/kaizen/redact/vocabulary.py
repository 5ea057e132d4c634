"""Words that say nothing about anybody: names of agents, tools, programs and models that everybody could know."""

import re
from functools import cache
from pathlib import Path

AGENTS = frozenset("""
    aider amp antigravity augment claude cline codex continue copilot copilot_cli copilot_vscode crush cursor droid
    factory forge gemini goose grok hermes iflow junie kilo kimi kiro openclaw opencode openhands pi qoder qwen roo
    trae vibe warp windsurf zed kaizen
""".split())

# Class -> tools of that class, as the hosts call them.
_TOOLS = {
    "read": """Read read read_file read_file_v2 ReadFile view view_image open_file NotebookRead read_many_files
        ReadMediaFile developer__read_file fs_read copilot_readFile read_files BashOutput TaskOutput""",
    "edit": """Edit edit MultiEdit multiedit multi_edit StrReplace StrReplaceFile str_replace search_replace edit_file
        edit_file_v2 replace replace_string_in_file multi_replace_string_in_file insert_edit_into_file insert
        replace_in_file edit_files replace_lines str_replace_based_edit SearchReplace NotebookEdit EditNotebook
        edit_notebook edit_notebook_file apply_patch ApplyPatch patch apply_diff str_replace_editor
        str_replace_based_edit_tool text_editor developer__text_editor""",
    "write": """Write write write_file WriteFile create create_file fs_write new_file write_to_file Delete delete_file
        DeleteFile delete remove_file""",
    "search": """Glob glob Grep grep rg grep_search ripgrep ripgrep_raw_search find search search_files
        search_file_content file_search glob_file_search glob_files codebase_search SemanticSearch semantic_search
        grep_files FindFiles find_files LS ls list list_dir list_dir_v2 list_directory ListDir list_files
        directory_tree ToolSearch""",
    "shell": """Bash bash Shell shell exec_command shell_command local_shell_call local_shell container.exec
        run_terminal_cmd run_terminal_command run_terminal_command_v2 run_in_terminal run_shell_command run_command
        execute_command terminal Execute execute developer__shell command_execution PowerShell powershell
        execute_bash exec unified_exec write_stdin KillBash KillShell""",
    "web": "WebSearch WebFetch web_search web_fetch fetch web_search_call google_web_search browser",
    "task": """Task Agent task TaskStop TaskCreate TaskUpdate TaskList TaskGet spawn_agent wait_agent send_input
        close_agent SendMessage TodoWrite TodoRead TodoList todo_write todo_read update_plan ExitPlanMode EnterPlanMode
        AskUserQuestion think Think Skill report_intent request_user_input""",
}
TOOL_CLASSES = {tool: kind for kind, tools in _TOOLS.items() for tool in tools.split()}
CLASSES = (*_TOOLS, "mcp", "other")

PROGRAMS = frozenset("""
    7z act ansible ansible-playbook apk apt apt-get ar artisan asdf autoconf automake awk aws az b2sum base64 basename
    bash bat bazel bc biome black brew buf bun bundle bunx c++ caddy cargo cat cd cdk chmod chown clang clang-format
    cloc cmake cmp code comm composer conan conda cp cpan crontab csc cset csplit ctags curl cut cypress dart date dd
    deno df diff dig dirname django-admin dmesg docker docker-compose dot dotnet dpkg du echo ed egrep elixir env erl
    esbuild eslint exit expect export eza false fd fdfind ffmpeg fgrep file find firebase fish flake8 fly flyctl fmt
    fold free fuser fzf g++ gcc gcloud gdb gem gh ghc git gitleaks go gofmt golangci-lint gpg gradle gradlew grep
    groups gunzip gzip head helm heroku hexdump history host hostname htop http hyperfine hypothesis id ifconfig
    invoke ip isort jar java javac jest jobs jq julia just k3s k9s kill killall kotlin kotlinc kubectl kustomize ldd
    less lerna ln locate ls lsblk lsof ltrace lua luarocks make man maven md5sum meson mix mkdir mkfifo mktemp mocha
    more mount mv mvn mvnw mypy mysql mysqldump nano nc ncdu netcat netstat next nginx nice ninja nix nix-shell nl nm
    node nohup nox npm npx nproc nslookup nuget numfmt nvim nvm nx objdump od openssl pacman parallel paste patch pdm
    perl pg_dump pg_restore pgrep php phpunit ping pip pip-audit pip3 pipenv pipx pkg-config pkill playwright pnpm
    podman poetry popd pprof pre-commit prettier printenv printf protoc ps psql pulumi pushd pwd pwsh py pyenv pylint
    pyright pytest python python2 python3 r rails rake rbenv rclone read readelf readlink realpath redis-cli reset rg
    rm rmdir rollup rsync rspec rubocop ruby ruff rustc rustfmt rustup rvm sam sbt scala scons scp screen sed semgrep
    seq serverless service set sh sha1sum sha256sum shasum shellcheck shfmt shred shuf sleep snap sort source split
    sqlite3 ss ssh ssh-add ssh-keygen stat strace strings strip stylelint su sudo svn swift sync systemctl tac tail tar
    task tee terraform test tig time timeout tmux top touch tox tput tr traceroute tree trivy true truncate ts-node tsc
    tsup tsx turbo type ulimit umask uname uniq unset unxz unzip uptime uv uvicorn uvx vagrant valgrind vi vim vite
    vitest volta wait watch wc webpack wget whereis which whoami xargs xcodebuild xxd xz yarn yes yq zcat zig zip zsh
    zstd
""".split())

LIFECYCLES = frozenset("""
    compact compact_boundary compaction context_compacted interrupted session_end session_start stop subagent_start
    subagent_stop summary task_complete task_started todo todo_written turn_aborted turn_completed turn_ended
    turn_started user_prompt_submit pre_tool_use post_tool_use notification permission_request model_changed
    mode_changed queue_operation api_error rate_limit hook other
""".split())

STOPS = frozenset("""
    end_turn tool_use max_tokens stop_sequence pause_turn refusal stop length content_filter tool_calls function_call
    error aborted interrupted cancelled completed incomplete model_context_window_exceeded other
""".split())

LANGUAGES = frozenset("bash c cpp csharp css diff go html java javascript json kotlin markdown php python ruby rust "
                      "scala shell sql swift toml typescript xml yaml other".split())

EXTENSIONS = frozenset("""
    astro bash bat c cc cfg clj cmake conf cpp cs css csv cts cxx dart db diff dockerfile ejs ex exs fish go gradle
    graphql h hbs hpp hs html ico ini ipynb java jpeg jpg js json jsonl jsx kt kts less lock log lua m md mdc mdx mjs
    mk ml mts nix patch pdf php pl png proto ps1 py pyi r rb rs rst sass scala scss sh sol sql svelte svg swift tex tf
    toml ts tsv tsx txt vue xml yaml yml zig zsh
""".split())

_SPLIT = re.compile(r"[-._/:@ ]+")
_NUMBER = re.compile(r"v?\d{1,4}[a-z]?|\d{1,3}(?:\.\d)?b|\d{1,2}x\d{1,3}b|20\d{6}|20\d\d")


def is_public_model(name: str) -> bool:
    """Made of nothing but words of published model names, and short numbers. A private deployment's name is not."""
    parts = _SPLIT.split(name.lower())
    words = _model_words()
    return len(name) <= 80 and parts[0] in words and all(
        part in words or _NUMBER.fullmatch(part) for part in parts)


@cache
def _model_words() -> frozenset[str]:
    """Made from the price book by `scripts/model_words.py`."""
    return frozenset(Path(__file__).with_name("model_words.txt").read_text("ascii").split())
