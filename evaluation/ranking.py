"""Order and rank of predictions, and their names told in the ground truth's numbers.

Shape letters: N predictions, M names.
"""

from collections.abc import Hashable, Sequence

import numpy as np


def numbers_in(names: Sequence[Hashable], known: Sequence[Hashable]) -> np.ndarray:
    """For each of `names` its index in `known`, -1 where it is not there (M,)."""
    index = {name: number for number, name in enumerate(known)}
    return np.array([index.get(name, -1) for name in names], dtype=np.int64)


def count_by_name(names: Sequence[str], number_N: np.ndarray) -> dict[str, int]:
    """How often each name occurs, in the order of `names`; those that do not occur are left out."""
    counts_M = np.bincount(number_N, minlength=len(names))
    return {names[number]: int(counts_M[number]) for number in np.flatnonzero(counts_M).tolist()}


def name_ranks(names: Sequence[str]) -> np.ndarray:
    """The place of each name in alphabetical order (M,), which does not depend on how a file lists them."""
    ranks_M = np.empty(len(names), dtype=np.int64)
    ranks_M[sorted(range(len(names)), key=lambda number: names[number])] = np.arange(len(names))
    return ranks_M


def rank_in_group(group_N: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each group; equal groups must stand side by side in rising order."""
    ranks_N: np.ndarray = np.arange(len(group_N)) - np.searchsorted(group_N, group_N, side="left")
    return ranks_N
