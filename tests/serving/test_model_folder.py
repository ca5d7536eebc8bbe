"""The folders of exported models: which of them are versions, and what TF Serving reads of one."""

from pathlib import Path

import pytest
import tensorflow as tf

from serving.client import messages
from serving.model_folder import WARM_UP, read_warm_up_requests, version_folders
from serving.models_config import models_config
from serving.server.config import folder_config
from zoo.errors import ArgumentError


def test_versions_are_folders_whose_names_are_numbers_as_in_tf_serving(tmp_path: Path) -> None:
    model = tmp_path / "unet"
    for name in ("10", "9", "04", "0", "v2", "0.3", "²", "-6", ".5", str(2**63)):
        (model / name).mkdir(parents=True)
    (model / "3").touch()
    reported: list[str] = []
    assert version_folders(model, reported.append) == {
        0: model / "0",
        4: model / "04",
        9: model / "9",
        10: model / "10",
    }
    ignored = {line.removesuffix(": not a version, since its name is not a number") for line in reported}
    assert ignored == {str(model / name) for name in ("v2", "0.3", "²", "-6", str(2**63))}
    (model / "4").mkdir()
    assert version_folders(model)[4] == model / "4"
    assert version_folders(tmp_path / "absent") == {}


def test_models_config_and_the_server_find_the_same_versions(tmp_path: Path) -> None:
    (tmp_path / "unet" / "007").mkdir(parents=True)
    (tmp_path / "unet" / "007" / "saved_model.pb").touch()
    assert 'key: "stable"\n      value: 7\n' in models_config(tmp_path)
    assert [model.name for model in folder_config(tmp_path).model_config_list.config] == ["unet"]


def test_a_warm_up_record_of_another_kind_is_refused(tmp_path: Path) -> None:
    assert read_warm_up_requests(tmp_path) == []
    (tmp_path / WARM_UP).parent.mkdir()
    with tf.io.TFRecordWriter(str(tmp_path / WARM_UP)) as writer:
        writer.write(messages.PredictionLog().SerializeToString())
    with pytest.raises(ArgumentError, match="a record is not a predict_log"):
        read_warm_up_requests(tmp_path)
