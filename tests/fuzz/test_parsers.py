"""Parsers take what they ask for, and refuse damaged forms of it in words, never by a traceback."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.parsers import PARSERS, accepts, kept


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_takes_its_seeds_and_refuses_damaged_ones_in_words(name):
    parser, seeds = PARSERS[name]
    chance = random.Random(name)
    for seed in seeds():
        accepts(parser, seed)
        for _ in range(60):
            data = bytearray(seed)
            for _ in range(chance.randrange(1, 4)):
                at = chance.randrange(len(data) + 1)
                data[at : at + chance.randrange(9)] = chance.randbytes(chance.randrange(9))
            accepts(parser, bytes(data))
    accepts(parser, b"")


@pytest.mark.parametrize("name", PARSERS)
def test_what_fuzzing_found_ways_with_is_taken_or_refused_in_words(name):
    parser, _ = PARSERS[name]
    inputs = kept(name)
    for data in inputs:
        accepts(parser, data)
    assert inputs
