"""Which models are served: models.config, as TF Serving reads it, with the paths of this machine."""

import pytest

from serving.server.config import local_config
from zoo.errors import ArgumentError


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model_config_list {", "not a list of models"),
        ("", "Only ModelConfigList"),
        ('model_config_list { config { base_path: "/x" } }', "unique name"),
        ('model_config_list { config { name: "a" } }', "no base_path"),
        ('model_config_list { config { name: "a" base_path: "/x" model_platform: "torch" } }', "torch"),
        (
            'model_config_list { config { name: "a" base_path: "x" } config { name: "a" base_path: "y" } }',
            "unique name",
        ),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(text, problem, tmp_path):
    file = tmp_path / "models.config"
    file.write_text(text)
    with pytest.raises(ArgumentError, match=problem):
        local_config(file)


def test_paths_of_a_container_are_looked_for_beside_the_file(tmp_path):
    (tmp_path / "a").mkdir()
    file = tmp_path / "models.config"
    file.write_text('model_config_list { config { name: "x" base_path: "/models/a" } }')
    assert local_config(file).model_config_list.config[0].base_path == str(tmp_path / "a")
    file.write_text('model_config_list { config { name: "x" base_path: "/models/b" } }')
    assert local_config(file).model_config_list.config[0].base_path == "/models/b"


def test_relative_paths_of_a_config_begin_beside_it_or_at_the_given_folder(tmp_path):
    file = tmp_path / "models.config"
    file.write_text('model_config_list { config { name: "a" base_path: "a" } }')
    assert local_config(file).model_config_list.config[0].base_path == str(tmp_path / "a")
    assert local_config(file, tmp_path / "root").model_config_list.config[0].base_path == str(tmp_path / "root" / "a")
    with pytest.raises(ArgumentError, match="cannot be read"):
        local_config(tmp_path / "absent")
