"""What is masked, and what may be seen."""

import pytest

from kaizen.config.secret import Secret, mask, masked, words


def test_a_tree_is_masked_by_names() -> None:
    tree = {"type": "otlp", "api_key": "0123", "api_key_env": "NAME", "headers": {"X-Team": "blue"}, "keep": 5,
            "rows": [{"secret": "abc", "monkey": "seen"}], "project_api_key": ""}
    assert masked(tree) == {
        "type": "otlp", "api_key": "<set, 4 characters>", "api_key_env": "NAME", "keep": 5,
        "headers": {"X-Team": "<set, 4 characters>"}, "rows": [{"secret": "<set, 3 characters>", "monkey": "seen"}],
        "project_api_key": "<empty>",
    }
    assert masked(masked(tree)) == masked(tree)


def test_secrets_compare_by_what_they_hold() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert str(Secret("abc")) == mask("abc")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["configure", "--api-key", "xyz", "--json"], "configure --api-key <set, 3 characters> --json"),
        (["--api-key=xyz"], "--api-key=<set, 3 characters>"),
        (["--set", "secret=xyz", "--set", "site=eu"], "--set secret=<set, 3 characters> --set site=eu"),
        (["--key-env", "NAME"], "--key-env NAME"),
    ],
)
def test_command_lines(argv: list[str], said: str) -> None:
    assert words(argv) == said
