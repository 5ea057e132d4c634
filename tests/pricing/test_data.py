"""The data file itself: format, licence, size, and that loading it is cheap."""

import json
import time
from datetime import date

import msgspec

from kaizen import pricing
from kaizen.pricing import table

RAW = pricing.DATA.read_bytes()


def test_every_model_decodes():
    decoded = table.decode(RAW)
    assert decoded.makers <= len(decoded.providers)
    for provider in decoded.providers:
        models = [msgspec.json.decode(raw, type=table.Model) for raw in provider.models]
        assert all(model.stretches for model in models)
        assert set(provider.names.values()) <= set(range(len(models)))


def test_prices_are_decimal_strings_of_whole_pico_dollars():
    def texts(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            return [text for item in value for text in texts(item)]
        return [value]

    for provider in json.loads(RAW)["providers"]:
        for model in provider["models"]:
            for stretch in model["stretches"]:
                assert not any(isinstance(value, float) for value in texts(stretch))
                for price in stretch["priced"][0]:
                    assert price is None or table.pusd_per_token(price) >= 0


def test_it_names_its_source_date_and_licence():
    head = json.loads(RAW)
    assert head["package"].startswith("genai-prices ")
    assert date.fromisoformat(head["date"]).year >= 2026
    assert "MIT" in head["notice"]
    licence = pricing.DATA.with_name("LICENSE-genai-prices.txt").read_text()
    assert "Permission is hereby granted" in licence
    assert "Pydantic" in licence


def test_one_model_a_line():
    lines = RAW.decode().splitlines()
    assert sum(line.startswith('{"id":') and '"stretches":' in line for line in lines) == sum(
        len(provider["models"]) for provider in json.loads(RAW)["providers"])


def test_loading_takes_milliseconds():
    times = []
    for _ in range(5):
        start = time.perf_counter()
        table.decode(pricing.DATA.read_bytes())
        times.append(time.perf_counter() - start)
    assert min(times) < 0.010
    assert len(RAW) < 400_000
