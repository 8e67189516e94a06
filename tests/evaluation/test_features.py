"""The features of a GPU: one table that grows seldom, whatever the batches."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from fer_meta.evaluation.features import grown


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_a_table_keeps_what_it_holds_and_doubles(batches):
    every = torch.arange(3.0 * sum(batches)).view(-1, 3)
    table, count, sizes = None, 0, []
    for size in batches:
        table = grown(table, every[count : count + size], count, len(every))
        count += size
        assert torch.equal(table[:count], every[:count])
        sizes += [len(table)] if len(table) not in sizes else []
    assert len(table) <= len(every)
    assert sum(sizes) <= 3 * len(every), "all the memory it ever took"
