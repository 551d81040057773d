"""When a difference is real."""

from __future__ import annotations

import pytest

from cdc.model.reconcile import Fence, Verdict, fence_version, judge
from cdc.model.version import pack

FENCE = Fence(begin=fence_version(1, 10), ceiling=fence_version(1, 20))


@pytest.mark.parametrize(
    ("version", "same", "verdict"),
    [
        (pack(1, 5), True, Verdict.SAME),
        (pack(1, 9), False, Verdict.REAL),
        (fence_version(1, 10), False, Verdict.REAL),  # a repair before the comparison, altered since
        (pack(1, 10), False, Verdict.CHANGED),
        (pack(1, 19), False, Verdict.CHANGED),
        (pack(1, 19), True, Verdict.SAME),
        (fence_version(1, 20), False, Verdict.CHANGED),
        (pack(1, 20), False, Verdict.FOREIGN),
        (pack(1, 20), True, Verdict.FOREIGN),  # the values agree, but later changes would be hidden
        (pack(2, 0), True, Verdict.FOREIGN),
        (0, False, Verdict.REAL),
        (None, False, Verdict.REAL),
        (None, True, Verdict.SAME),
    ],
)
def test_a_difference_is_real_only_if_no_event_can_explain_it(version, same, verdict):
    assert judge(version, FENCE, same=same) is verdict


def test_a_fence_of_an_empty_partition_is_below_its_first_event():
    assert fence_version(1, 0) < pack(1, 0)
