"""Hashes: the contract's vectors, keyed short hashes, sampling."""

import pytest

from kaizen.errors import SaltInvalid
from kaizen.redact.hashes import Salt

SEVENS = Salt(bytes([7] * 32))
VECTORS = {
    "/proj/ws": "1015464e1399967408ed1d2f4d81a978fd5deee2c9536c7f42ddee3aae4be956",
    "sess-1": "f06b1fb16acdbe8f5939bf98e9c2775768926ed273dfb2c138344f7c11fd87c4",
    "span-1": "1ec1533a304d958a9920ce0b95220719a80b5e1bbc9120691d3b479c8bcf9ee8",
    "path:src/main.py": "6ff13a7b263d8b6f8a7a789595e6cf366b3cb38ef2ca005dbce6b0bc6673c62d",
    "commit:abc123": "94f80df8bbccbfb2662dafe1bf6d1290697db77072831b07875e32b362159457",
    "graph:src/a.py": "d00834a047c88da9be553e01e8d75ed452ce921d875516ac8b2ea431ffc86774",
    "slug:tdd": "39ba6c9ccc973e122e2b57d6b4bb0101865e8d72f96d1a3f4fe6e872dfd5ff52",
    "rule:style": "6b96108e1c0d666a43dc417606f20ff1038c75e6d36f55c7efc75c6340039dc1",
}


@pytest.mark.parametrize("material", VECTORS)
def test_hashes_are_those_of_the_contract(material: str) -> None:
    assert SEVENS.hash(material) == f"blake3:{VECTORS[material]}"


def test_another_salt_gives_another_hash() -> None:
    zero = Salt.parse("00" * 32)
    assert zero.hash("/proj/ws") == "blake3:96d13bbce587a68d002314632ff74db081d616077f687f92ece1451d9c3299fb"


@pytest.mark.parametrize("text", ["07" * 32, f" {'07' * 32}\n"])
def test_a_salt_is_64_hex_digits(text: str) -> None:
    assert Salt.parse(text).raw == SEVENS.raw


@pytest.mark.parametrize("text", ["", "07", "07" * 33, "zz" * 32, "0x" + "07" * 31, "07" * 31 + " 7"])
def test_anything_else_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SaltInvalid) as refused:
        Salt.parse(text)
    assert refused.value.code == "salt_invalid" and refused.value.exit_status == 78 and refused.value.hint
    assert len(text) < 10 or text not in str(refused.value)


def test_salts_have_ids() -> None:
    assert len(SEVENS.id) == 8 and SEVENS.id != Salt(bytes(32)).id


def test_short_hashes_of_two_contexts_cannot_be_joined() -> None:
    assert SEVENS.short("path v2", "x") == SEVENS.short("path v2", "x")
    other = Salt(bytes(32)).short("path v2", "x")
    assert len({SEVENS.short("path v2", "x"), SEVENS.short("remote v1", "x"), other}) == 3
    assert len(SEVENS.short("path v2", "x")) == 16


def test_lone_surrogates_have_a_hash() -> None:
    assert SEVENS.hash("\ud800") == SEVENS.hash("?") and SEVENS.short("a", "\udc00") == SEVENS.short("a", "?")


def test_samples_are_spread_and_repeatable() -> None:
    drawn = [SEVENS.sample(f"session-{number}") for number in range(2_000)]
    assert drawn == [SEVENS.sample(f"session-{number}") for number in range(2_000)]
    assert all(0 <= one < 1 for one in drawn) and 0.46 < sum(drawn) / len(drawn) < 0.54
