import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen.model.usage import Usage, round_half_even


def test_prompt_is_the_sum_of_the_three_input_buckets():
    used = Usage(5, 184, 90, 15_000, 1_200, 1_000)
    assert used.prompt_tokens == 16_205
    assert used.total_tokens == 16_389


def test_nothing_said_stays_unknown():
    assert Usage().prompt_tokens is None
    assert Usage().total_tokens is None
    assert Usage().is_empty
    assert not Usage(web_search_requests=1).is_empty


def test_one_known_bucket_is_enough_for_a_sum():
    assert Usage(cache_read_tokens=7).prompt_tokens == 7
    assert Usage(output_tokens=0).total_tokens == 0


@pytest.mark.parametrize(("whole", "hour", "written"), [
    (None, None, None), (10, None, 10), (None, 4, 4), (10, 4, 10), (3, 4, 4),
])
def test_the_hour_part_belongs_to_the_writes(whole, hour, written):
    assert Usage(cache_write_tokens=whole, cache_write_1h_tokens=hour).written_tokens == written


def test_usage_cannot_change():
    with pytest.raises(AttributeError):
        Usage(1).input_tokens = 2  # type: ignore[misc]
    assert msgspec.structs.replace(Usage(1), output_tokens=2) == Usage(1, 2)


@pytest.mark.parametrize(("pico", "micro"), [
    (0, 0), (499_999, 0), (500_000, 0), (500_001, 1), (1_500_000, 2), (2_500_000, 2), (13_050_000, 13),
    (17_204_250_000, 17_204), (-500_000, 0), (-1_500_000, -2),
])
def test_a_half_goes_to_the_even_neighbour(pico, micro):
    assert round_half_even(pico) == micro


@given(st.integers(-10**18, 10**18))
def test_rounding_agrees_with_decimal(pico):
    from decimal import ROUND_HALF_EVEN, Decimal

    assert round_half_even(pico) == int((Decimal(pico) / 10**6).to_integral_value(ROUND_HALF_EVEN))
