"""How the connected regions of a map grow and join while the threshold falls, from one pass over its pixels.

Compiled by numba and free of the GIL. Knows integer levels alone: no thresholds, kernels or datasets.
"""

from dataclasses import dataclass

import numba
import numpy as np


@dataclass(frozen=True, eq=False)
class ComponentTree:
    """The 8-connected regions of ``levels > j`` for all j ≥ 0; a region that stays the same is one node.

    A node's region is that of ``levels > j`` for parent's level ≤ j < own level. Nodes of level 0 do not exist.

    level, area: (N,) int32, the node's highest level and its pixels.
    parent: (N,) int32, the node that it becomes part of, −1 for a region that is never joined to another.
    truth: (N,) int32, how many of its pixels are marked. weight: (N,) float64, what they weigh.
    node_of: (H·W,) int32, the smallest node that holds the pixel, −1 where levels is 0.
    """

    level: np.ndarray
    area: np.ndarray
    parent: np.ndarray
    truth: np.ndarray
    weight: np.ndarray
    node_of: np.ndarray

    @property
    def until(self) -> np.ndarray:
        """(N,) int32, the level below which the node is part of its parent; 0 without one."""
        return np.where(self.parent < 0, 0, self.level[self.parent])


def component_tree(levels: np.ndarray, marked: np.ndarray, weights: np.ndarray) -> ComponentTree:
    """Build the tree of levels (H, W) of unsigned integers.

    marked: (P,) flat indices of the pixels that ``truth`` counts. weights: (P,) float64, what ``weight`` sums of them.

    A union-find over pixels of falling level, as in Berger et al., "Effective component tree computation with
    application to pattern recognition in astronomical imaging", ICIP 2007.
    """
    height, width = levels.shape
    framed = np.zeros((height + 2, width + 2), np.int32)  # with a frame at level 0 every pixel has eight neighbours
    framed[1:-1, 1:-1] = levels
    inside = np.arange(framed.size).reshape(framed.shape)[1:-1, 1:-1].ravel()
    level, area, parent, truth, weight, node_of = _build(framed.ravel(), inside[marked], weights, width + 2)
    return ComponentTree(level, area, parent, truth, weight, node_of[inside])


@numba.njit(cache=True, nogil=True)
def _root(joined: np.ndarray, pixel: int) -> int:
    while joined[pixel] != pixel:
        joined[pixel] = joined[joined[pixel]]
        pixel = joined[pixel]
    return pixel


@numba.njit(cache=True, nogil=True)
def _falling(levels: np.ndarray) -> np.ndarray:
    """Return the pixels above level 0, highest first, by counting."""
    starts = np.zeros(levels.max() + 1, np.int32)
    for level in levels:
        starts[level] += 1
    total = levels.size - starts[0]
    above = 0
    for level in range(starts.size - 1, 0, -1):
        starts[level], above = above, above + starts[level]
    order = np.empty(total, np.int32)
    for pixel in range(levels.size):
        level = levels[pixel]
        if level:
            order[starts[level]] = pixel
            starts[level] += 1
    return order


@numba.njit(cache=True, nogil=True)
def _build(
    levels: np.ndarray, marked: np.ndarray, weights: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    order = _falling(levels)
    around = (-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1)
    below = np.full(levels.size, -1, np.int32)  # by pixel, the next lower one of its region; the lowest is its own
    joined = np.full(levels.size, -1, np.int32)
    for pixel in order:
        below[pixel] = joined[pixel] = pixel
        for step in around:
            near = pixel + step
            if joined[near] >= 0:
                root = _root(joined, near)
                if root != pixel:
                    joined[root] = below[root] = pixel
    # From the lowest up: a pixel stands for a node where the next one is lower; the others point at the one that does.
    node_of = np.full(levels.size, -1, np.int32)
    standing = np.empty(order.size, np.int32)
    count = 0
    for pixel in order[::-1]:
        target = below[pixel]
        if levels[below[target]] == levels[target]:
            target = below[pixel] = below[target]
        if target == pixel or levels[target] != levels[pixel]:
            node_of[pixel] = count
            standing[count] = pixel
            count += 1
        else:
            node_of[pixel] = node_of[target]
    level, area, truth = np.zeros(count, np.int32), np.zeros(count, np.int32), np.zeros(count, np.int32)
    parent, weight = np.full(count, -1, np.int32), np.zeros(count, np.float64)
    for node in range(count):
        pixel = standing[node]
        level[node] = levels[pixel]
        if below[pixel] != pixel:
            parent[node] = node_of[below[pixel]]
    for pixel in order:
        area[node_of[pixel]] += 1
    for index in range(marked.size):
        node = node_of[marked[index]]
        if node >= 0:
            truth[node] += 1
            weight[node] += weights[index]
    for node in range(count - 1, -1, -1):  # nodes were numbered from the lowest up
        if parent[node] >= 0:
            area[parent[node]] += area[node]
            truth[parent[node]] += truth[node]
            weight[parent[node]] += weight[node]
    return level, area, parent, truth, weight, node_of
