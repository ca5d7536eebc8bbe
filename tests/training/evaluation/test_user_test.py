"""training.evaluation.user_test: rates, intervals, the test against guessing, and the report."""

import csv
from xml.etree import ElementTree

import pytest
from PIL import Image
from scipy.stats import binomtest

from training.evaluation.user_test import (
    PAPER,
    Rate,
    draw,
    fooling_rates,
    p_of_guessing,
    table_rows,
    wilson_interval,
    write_report,
)
from zoo.errors import ArgumentError

FOOLED = {"one_v1": [True] * 9 + [False] * 7, "two_v1": [False] * 16}


@pytest.mark.parametrize("trials", [1, 2, 7, 16, 320])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.77, 1])
def test_interval_and_test_agree_with_scipy(trials, share):
    fooled = round(share * trials)
    wanted = binomtest(fooled, trials)
    interval = wanted.proportion_ci(method="wilson")
    assert wilson_interval(fooled / trials, trials) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert p_of_guessing(fooled, trials) == pytest.approx(wanted.pvalue, rel=1e-9)


@pytest.mark.parametrize("call", [lambda: wilson_interval(0.5, 0), lambda: wilson_interval(1.1, 9)])
def test_impossible_rates_are_refused(call):
    with pytest.raises(ArgumentError, match="at least one trial"):
        call()


@pytest.mark.parametrize(("fooled", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(fooled, trials):
    with pytest.raises(ArgumentError, match="is not possible"):
        p_of_guessing(fooled, trials)


def test_rates_of_presets_and_of_all():
    one, two, both = fooling_rates(FOOLED)
    assert (one.name, one.trials, one.rate) == ("one_v1", 16, 9 / 16)
    assert (two.rate, two.interval[0]) == (0, 0)
    assert (both.name, both.trials, both.rate) == ("all presets", 32, 9 / 32)
    assert one.p > 0.5 and two.p < 1e-4
    assert [rate.name for rate in fooling_rates({"one_v1": [True]})] == ["one_v1"]
    with pytest.raises(ArgumentError, match="two_v1: nobody has answered"):
        fooling_rates({"one_v1": [True], "two_v1": []})


def test_rates_of_the_paper():
    assert [100 * rate.rate for rate in PAPER] == pytest.approx([50.0, 43.18, 31.25, 41.46])
    assert table_rows([PAPER[1]]) == [("Zhang et al.", "320", "43.18 %", "37.87 % to 48.66 %", "")]


def test_report_has_both_tables_and_the_same_bytes_each_time(tmp_path):
    rates = fooling_rates(FOOLED)
    for folder in ("a", "b/c"):
        write_report(rates, tmp_path / folder, participants=1)
    names = ["fooling_rates.csv", "fooling_rates.png", "fooling_rates.svg"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / "c" / name).read_bytes()
    rows = list(csv.DictReader((tmp_path / "a" / "fooling_rates.csv").read_text().splitlines()))
    assert [(row["source"], row["name"]) for row in rows] == [
        *(("here", name) for name in ("one_v1", "two_v1", "all presets")),
        *(("paper", rate.name) for rate in PAPER),
    ]
    assert (rows[0]["fooling_rate"], rows[1]["high"], rows[3]["p_value"]) == ("0.5625", "0.193608", "")
    with Image.open(tmp_path / "a" / "fooling_rates.png") as image:
        assert image.width > 1000
    text = "".join(ElementTree.parse(tmp_path / "a" / "fooling_rates.svg").getroot().itertext())
    for wanted in ("one_v1  (n = 16)", "56.25 %", "Larsson et al.  (n = 320)", "31.25 %", "here, 1 participant"):
        assert wanted in text


def test_figure_has_a_row_for_each_rate():
    rates = [Rate("x", 16, 1.0, 0.0)]
    axes = draw(rates, 20).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"{rate.name}  (n = {rate.trials})" for rate in (*rates, *PAPER)
    ]
    assert "here, 20 participants" in [text.get_text() for text in axes.get_legend().get_texts()]
