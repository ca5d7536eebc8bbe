"""The choice of a few pictures that stand for many."""

from training.data.sampling import choose_evenly


def test_spread_takes_every_class_and_no_picture_twice() -> None:
    classes = ["a"] * 50 + ["b"] * 2 + ["c"] * 8
    chosen = choose_evenly(classes, 24)
    assert chosen == sorted(set(chosen))
    assert [sum(classes[i] == name for i in chosen) for name in "abc"] == [14, 2, 8]
    assert choose_evenly(classes, 100) == list(range(60))
    assert len(choose_evenly(["x"] * 1000, 24)) == 24
    assert len({i // 10 for i in choose_evenly([str(i // 10) for i in range(300)], 24)}) == 24
