"""sync.md 3.3: the reference's hashes, and ours beside them."""

import pytest
from blake3 import blake3

from kaizen.errors import SaltInvalid
from kaizen.redact.hashes import Salt

SEVEN = Salt.parse("07" * 32)
VECTORS = """
    /proj/ws           1015464e1399967408ed1d2f4d81a978fd5deee2c9536c7f42ddee3aae4be956
    sess-1             f06b1fb16acdbe8f5939bf98e9c2775768926ed273dfb2c138344f7c11fd87c4
    span-1             1ec1533a304d958a9920ce0b95220719a80b5e1bbc9120691d3b479c8bcf9ee8
    path:src/main.py   6ff13a7b263d8b6f8a7a789595e6cf366b3cb38ef2ca005dbce6b0bc6673c62d
    commit:abc123      94f80df8bbccbfb2662dafe1bf6d1290697db77072831b07875e32b362159457
    graph:src/a.py     d00834a047c88da9be553e01e8d75ed452ce921d875516ac8b2ea431ffc86774
    slug:tdd           39ba6c9ccc973e122e2b57d6b4bb0101865e8d72f96d1a3f4fe6e872dfd5ff52
    rule:style         6b96108e1c0d666a43dc417606f20ff1038c75e6d36f55c7efc75c6340039dc1
"""


@pytest.mark.parametrize("line", VECTORS.strip().splitlines())
def test_vectors(line: str) -> None:
    material, digest = line.split()
    assert SEVEN.hash(material) == f"blake3:{digest}"


def test_vector_of_the_zero_salt() -> None:
    assert Salt.parse("00" * 32).hash("/proj/ws") == (
        "blake3:96d13bbce587a68d002314632ff74db081d616077f687f92ece1451d9c3299fb")


def test_the_salt_has_a_public_name() -> None:
    assert SEVEN.id == blake3(b"salt-id" + b"\x07" * 32).hexdigest()[:8]
    assert "07" * 4 not in repr(SEVEN)


@pytest.mark.parametrize("text", ["", "07" * 31, "07" * 33, "zz" * 32, "0x" + "07" * 31])
def test_a_salt_is_64_hex_digits(text: str) -> None:
    with pytest.raises(SaltInvalid):
        Salt.parse(text)


def test_a_salt_may_have_space_around_it() -> None:
    assert Salt.parse(f"  {'0A' * 32}\n").raw == b"\x0a" * 32


def test_contexts_do_not_look_equal() -> None:
    assert SEVEN.short("path v2", "a") != SEVEN.short("remote v2", "a")
    assert len(SEVEN.short("path v2", "a")) == 16


def test_sampling_is_even_and_the_same_everywhere() -> None:
    shares = [SEVEN.sample(f"session-{number}") for number in range(2_000)]
    assert all(0 <= share < 1 for share in shares)
    assert 0.45 < sum(share < 0.5 for share in shares) / len(shares) < 0.55
    assert Salt.parse("07" * 32).sample("session-1") == shares[1]


def test_lone_surrogates_hash() -> None:
    assert SEVEN.hash("\ud800").startswith("blake3:")
