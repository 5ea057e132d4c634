"""Vocabularies: the only strings that leave at level `metrics`, besides hashes. Everything else becomes `other`."""

OTHER = "other"


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


AGENTS = _set("""
    aider amp antigravity claude cline codex copilot copilot_cli cursor gemini goose grok iflow kilocode kimi kiro
    openclaw opencode openhands pi qwen roo vibe vscode warp windsurf zed
""")

ROLES = frozenset(("assistant", "context", "prompt", "system", "thinking", "tool", "user"))

# Tool classes, and the built-in tools of every host. A name stands for the same thing at every host that uses it.
TOOLS_BY_CLASS = {
    "read": """
        Read read ReadFile read_file read_file_v2 read_many_files ReadManyFiles view cat view_file open_file
        NotebookRead view_image read_media_file ReadMediaFile copilot_readFile readFile read_text_file
        read_multiple_files fs_read developer__read_file read_notebook get_errors copilot_getErrors read_lints
        ReadLints LS ls list list_dir list_dir_v2 list_directory ListDir list_files directory_tree
        copilot_listDirectory""",
    "edit": """
        Edit edit MultiEdit multiedit multi_edit StrReplace StrReplaceFile str_replace search_replace edit_file
        edit_file_v2 replace replace_string_in_file multi_replace_string_in_file copilot_replaceString
        copilot_insertEdit insert_edit_into_file insert replace_in_file edit_files replace_lines
        developer__edit_file str_replace_based_edit SearchReplace NotebookEdit EditNotebook edit_notebook
        edit_notebook_file copilot_editNotebook apply_patch ApplyPatch patch copilot_applyPatch apply_diff
        str_replace_editor str_replace_based_edit_tool developer__text_editor text_editor str_replace_tool""",
    "write": """
        Write write WriteFile write_file create create_file copilot_createFile createFile write_to_file save_file
        fs_write new_file developer__write_file Delete delete_file DeleteFile delete remove_file""",
    "search": """
        Glob glob Grep grep rg grep_search ripgrep ripgrep_raw_search find search search_files search_file_content
        file_search glob_file_search glob_files codebase_search SemanticSearch semantic_search grep_files FindFiles
        find_files copilot_findTextInFiles copilot_findFiles ToolSearch tool_search""",
    "shell": """
        Bash bash Shell shell exec_command shell_command local_shell_call local_shell container.exec
        run_terminal_cmd run_terminal_command run_terminal_command_v2 run_in_terminal run_shell_command run_command
        execute_command terminal Execute execute developer__shell command_execution PowerShell powershell
        execute_bash exec unified_exec write_stdin BashOutput KillBash KillShell""",
    "web": "WebSearch WebFetch web_search web_fetch fetch google_web_search browser_action",
    "task": """
        Task Agent TaskOutput TaskStop TaskCreate TaskUpdate TaskList TaskGet TodoWrite TodoRead TodoList todo_write
        update_plan wait_agent spawn_agent close_agent send_input SendMessage""",
    "mcp": "mcp ListMcpResourcesTool ReadMcpResourceTool list_mcp_resources read_mcp_resource",
    "other": "AskUserQuestion ExitPlanMode EnterPlanMode Skill SlashCommand think Think report_intent translate git",
}
CLASS_OF_TOOL = {name: kind for kind, names in TOOLS_BY_CLASS.items() for name in names.split()}
TOOL_CLASSES = frozenset(TOOLS_BY_CLASS)

# `event` of a lifecycle or hook payload; `type` of a foreign one.
EVENTS = _set("""
    agent_message api_error api_refusal assistant away_summary bridge_status command_permissions compact
    compact_boundary compaction compaction_summary entered_review_mode error exited_review_mode guardian_assessment
    informational interrupted local_command memory_saved message model_change model_refusal_fallback model_reroute
    notification permission post_tool_use pre_compact pre_tool_use prompt result session_end session_resume
    session_start stop stop_hook_summary subagent_activity subagent_message subagent_resume subagent_start
    subagent_stop subagent_wait system task_complete task_started text thinking thread_rolled_back todo_write tool_call
    tool_result tool_use turn_aborted turn_completed turn_duration turn_ended turn_started undo_completed user
    user_prompt_submit warning
""")

HOOKS = _set("""
    AfterAgent AfterModel AfterTool BeforeAgent BeforeModel BeforeTool Notification PermissionRequest PostToolUse
    PostToolUseFailure PreCompact PreToolUse SessionEnd SessionStart Stop SubagentStart SubagentStop UserPromptSubmit
    afterAgentResponse afterAgentThought afterFileEdit afterMCPExecution afterShellExecution afterTabFileEdit
    beforeMCPExecution beforeReadFile beforeShellExecution beforeSubmitPrompt beforeTabFileRead sessionEnd sessionStart
    stop
""")

STATUSES = _set("""
    aborted approved blocked cancelled completed created declined denied done error failed idle in_progress interrupted
    ok open pending queued running skipped success timeout waiting
""")

STOP_REASONS = _set("""
    aborted cancelled completed content_filter end_turn error failed function_call incomplete interrupted length
    max_output_tokens max_tokens model_context_window_exceeded pause_turn recitation refusal safety stop stop_sequence
    timeout tool_call tool_calls tool_use turn_limit
""")

ERROR_CLASSES = frozenset(("denied", "interrupted", "network", "not_found", "other", "overloaded", "rate_limit",
                           "syntax", "test_failure", "timeout"))
MODES = _set("""
    accept_edits acceptEdits agent ask auto bypass_permissions bypassPermissions chat code compact debug default
    dont_ask dontAsk edit full_auto manual on_failure on_request plan read_only review suggest untrusted
    workspace_write yolo
""")
PERMISSIONS = frozenset(("allow", "always", "ask", "deny", "never", "once", "session"))
DECISIONS = frozenset(("allow", "approve", "approved", "ask", "block", "cancel", "continue", "denied", "deny", "none"))
PROVIDERS = _set("""
    anthropic aws azure bedrock cerebras cohere cursor deepseek fireworks github-copilot google groq local meta minimax
    mistral moonshotai ollama openai openrouter together vertex x-ai zai
""")
METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
ROUTES = _set("""
    /v1/chat/completions /v1/completions /v1/embeddings /v1/messages /v1/messages/batches /v1/messages/count_tokens
    /v1/models /v1/responses /v1beta/models
""")

# By extension, and as the language of a fenced block.
LANGUAGES = _set("""
    asm bash c clojure cmake cpp csharp css csv cuda dart diff dockerfile elixir elm erlang fish fsharp go graphql
    groovy haskell hcl html ini java javascript js json jsonc json5 jsx julia kotlin latex less lua makefile markdown
    md mermaid nim nix objc ocaml perl php plaintext powershell prisma proto py python r rb ruby rs rust sass scala
    scheme scss sh shell solidity sql svelte swift tcl terraform text toml ts tsx txt typescript vb vim vue wasm xml
    yaml yml zig zsh
""")
EXTENSIONS = _set("""
    adoc astro bash bat bazel bzl c cc cfg cjs clj cljs cmake conf cpp cs csproj css csv cts cu cxx dart diff
    dockerfile ejs el elm env erl ex exs fish fs gemspec gif go gql gradle graphql groovy h hbs hcl hh hpp hs htm html
    hxx ico ini ipynb j2 java jl jpeg jpg js json json5 jsonc jsonl jsx kt kts less lisp lock lua m md mdc mdx mjs mk
    ml mm mod mts nim nix patch pdf php pl plist pm png po properties proto ps1 psql py pyi pyx r rb rkt rmd rs rst
    sass sbt scala scm scss service sh sln snap sol sql sum svelte svg swift tcl tex tf tfvars toml ts tsv tsx txt v vb
    vim vue webp wgsl xml yaml yml zig zsh
""")

PROGRAMS = _set("""
    Rscript act actionlint adb ag alembic ansible ansible-playbook apk apt apt-get ar argocd aria2c artisan asdf
    autopep8 awk aws az bandit base64 basename bash bat bazel biome black brew browserify buf buildah bun bundle bunx
    bzip2 c++ cabal cargo cat cc cd celery chmod chown clang clang-format clang-tidy claude clear clippy cloc cmake cmp
    codex comm composer conan conda convert corepack cp crontab csc cspell ctags ctest curl cut cypress dart dash date
    db dbt dd deno dev df diff difft dig dirname dlv dmesg docker docker-compose doctl dotnet dpkg drizzle-kit du dvc
    echo egrep elixir emacs env erl esbuild eslint exit expect export expr false fastlane fd ffmpeg ffprobe fgrep file
    find firebase fish flake8 flutter fly flyctl fmt fold forge format free fzf g++ gatsby gcc gcloud gdb gem gemini gh
    ghc git git-lfs gitleaks glab go godot gofmt golangci-lint gpg gradle gradlew grep groovy grpcurl gsutil gunicorn
    gunzip gzip hadolint head helm heroku hexdump history hostname htop http hugo iconv id ifconfig init install invoke
    ip ipython isort jar java javac jekyll jest jobs join journalctl jq julia jupyter just k6 k9s kaizen karma kill
    killall kind kotlinc kubectl kustomize ld ldd lein lerna less lint lldb ln locate ls lsof ltrace lua luarocks make
    man markdownlint mason maturin md5sum meson minikube mix mkdir mkdocs mktemp mocha more mount mv mvn mvnw mypy
    mysql mysqldump nano nc netlify netstat next ng nginx nice ninja nix nix-shell nl nmap node nodemon nohup npm npx
    nslookup nuget nvm nx objdump ocaml od ollama opam open openssl oxlint pandoc parcel passwd paste patch pdm perl
    pg_dump pgrep php phpstan phpunit ping pip pip3 pipenv pipx pixi pkg-config pkill playwright pnpm pnpx podman
    poetry pre-commit prettier printenv printf prisma protoc ps psql pulumi pushd pwd pydoc pyenv pylint pyright pytest
    python python2 python3 pyupgrade r2 rails rake ranger rbenv read readelf readlink realpath redis-cli redis-server
    reset rg rm rmdir rollup rsync rspec rubocop ruby ruff rush rustc rustfmt rustup rvm sass sbt scala scp screen sed
    semgrep seq serverless service sftp sh sha1sum sha256sum shasum shellcheck shfmt shuf shutdown sleep snyk sops sort
    source split sqlite3 sqlx ssh ssh-keygen stat strace strings stylelint su sudo sum svelte svn swc swift sync sysctl
    systemctl tac tail tailwindcss tar tee terraform terragrunt test tidy time timeout tmux tofu top touch tox tr trap
    tree trivy true truncate tsc tsx tty turbo twine ty type uglifyjs ulimit umask uname uniq unset unzip uptime uv
    uvicorn uvx vagrant valgrind vault vercel vi vim vite vitest vue wait watch watchexec watchman wc webpack wget
    which who whoami wrangler xargs xcodebuild xcrun xxd xz yamllint yarn yes yq zcat zig zip zsh zstd
""")

FLAGS = _set("""
    --all --all-features --all-targets --amend --append --auto-fix --bail --branch --build --cached --check --ci
    --clean --color --continue --coverage --cov --debug --depth --detach --dev --diff --dry-run --exclude --exact
    --exit-code --fail-fast --features --fix --follow --force --format --frozen-lockfile --global --hard --head --help
    --hidden --ignore --in-place --include --interactive --isolated --json --jobs --keep-going --lib --limit
    --line-number --list --locked --log --long --maxfail --max-count --message --mixed --name-only --no-cache
    --no-color --no-deps --no-edit --no-fail-fast --no-pager --no-verify --nocapture --offline --oneline --only
    --output --package --parallel --patch --porcelain --prod --production --prune --quiet --recursive --release
    --remove --reporter --run --save-dev --select --short --shell --silent --since --skip --soft --sort --staged --stat
    --stdin --strict --summary --tail --target --test --timeout --type --unsafe --update --upgrade --verbose --version
    --watch --workers --workspace --write --yes -1 -A -B -C -D -E -F -L -O -P -R -S -V -W -X -a -am -b -c -d -e -ef -f
    -g -h -i -j -k -l -la -lah -m -n -nr -o -p -q -r -rf -rn -s -t -u -uuu -v -vv -vvv -w -x -xe -y -z
""")
