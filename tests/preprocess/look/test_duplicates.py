"""Photos under several people: equal files and crops that look alike."""

import numpy as np
import pandas as pd

from preprocess.look.duplicates import MOST_PAIRS, alike, clusters, same_files


def test_hashes_that_differ_in_few_bits_are_pairs_unless_of_one_person_or_file() -> None:
    base = 0x0123456789ABCDEF
    hashes = np.array([base, base ^ 0b1111, base ^ 0b11111, base ^ 0b11, base], np.uint64)
    owner, file = np.array([0, 1, 2, 0, 3]), np.array([0, 1, 2, 3, 0])
    found = alike(hashes, owner, file, near=4)
    # 0 and 3 are one person's, 0 and 4 are one file, 0 and 2 differ in five bits.
    assert found.rows.tolist() == [[1, 2], [1, 3], [3, 4], [2, 3], [0, 1], [1, 4]]
    assert found.distances.tolist() == [1, 2, 2, 3, 4, 4] and found.total == 6
    assert clusters(found) == [(1, [0, 1, 2, 3, 4])]


def test_pairs_are_those_of_comparing_every_two_hashes() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 700, dtype=np.uint64) & np.uint64(0xFFFF)
    owner, file = rng.integers(0, 200, 700), np.arange(700)
    found = alike(hashes, owner, file, near=1)
    expected = {
        (a, b): (int(hashes[a]) ^ int(hashes[b])).bit_count()
        for a in range(700)
        for b in range(a + 1, 700)
        if (int(hashes[a]) ^ int(hashes[b])).bit_count() <= 1 and owner[a] != owner[b]
    }
    assert len(expected) > 20
    assert dict(zip(map(tuple, found.rows.tolist()), found.distances.tolist(), strict=True)) == expected
    assert found.distances.tolist() == sorted(found.distances.tolist())


def test_of_too_many_pairs_all_are_counted_and_the_closest_kept() -> None:
    hashes = np.zeros(300, np.uint64)
    hashes[150:] = 1
    found = alike(hashes, np.arange(300), np.arange(300))
    assert found.total == 300 * 299 // 2 > MOST_PAIRS == len(found.rows)
    assert (found.distances == 0).all()


def test_two_groups_of_look_alikes_stay_two_and_the_closer_comes_first() -> None:
    far = 0xFFFFFFFF
    hashes = np.array([0, far, 3, far ^ 1, 3 ^ 12, 1 << 40 | far << 10], np.uint64)
    found = alike(hashes, np.arange(6), np.arange(6), near=2)
    assert clusters(found) == [(1, [1, 3]), (2, [0, 2, 4])]
    assert clusters(alike(hashes[:2], np.arange(2), np.arange(2))) == []


def test_one_file_under_two_people_is_found_and_under_one_is_not() -> None:
    crops = pd.DataFrame(
        {"person": ["a", "b", "a", "c", "c", "", ""], "source_sha256": ["x", "y", "y", "z", "z", "", ""]}
    )
    crops["source"] = [*"0123456"]
    assert same_files(crops) == [[1, 2]]
    crops["person"] = ""
    assert same_files(crops) == [[1, 2], [3, 4]]
    crops["source"] = [*"0123356"]  # two faces of one photo
    assert same_files(crops) == [[1, 2]]
