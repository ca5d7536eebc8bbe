"""Options whose texts are parsed."""

import pytest
import typer

from colorzoo.options import parse_looks


def test_looks() -> None:
    assert parse_looks(None) == {}
    assert parse_looks(["calm:0.7:0.9:1.5", "vivid:0.5:1.4:0"]) == {
        "calm": {"temperature": 0.7, "saturation": 0.9, "calm": 1.5},
        "vivid": {"temperature": 0.5, "saturation": 1.4, "calm": 0.0},
    }


@pytest.mark.parametrize(
    "text",
    ["", "vivid", "vivid:0.5:1.4", "vivid:0.5:1.4:0:1", "natural:0.5:1.4:0", "sepia:0.5:1.4:0", "vivid:0:1:0",
     "vivid:0.5:-1:0", "vivid:0.5:1:-1", "vivid:nan:1:0", "vivid:0.5:inf:0", "vivid:a:1:0"],
)  # fmt: skip
def test_texts_that_are_no_looks(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not calm or vivid with a temperature"):
        parse_looks([text])
