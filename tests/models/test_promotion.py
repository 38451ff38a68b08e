from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from asr.finding import TINY_PATH, find_recogniser
from models import ModelError
from models.promotion import Promotions, promoted_folder, read_promotions, write_promotions


def test_auto_means_the_promoted_model_if_there_is_one(tmp_path: Path) -> None:
    assert find_recogniser("auto", tmp_path).name == "bundled"
    with pytest.raises(ModelError, match="no model was promoted"):
        find_recogniser("promoted", tmp_path)
    target = promoted_folder(tmp_path) / "ours"
    shutil.copytree(TINY_PATH, target)
    write_promotions(tmp_path, Promotions(stack=["ours"]))
    assert find_recogniser("auto", tmp_path).path == target
    assert find_recogniser("promoted", tmp_path).path == target
    assert find_recogniser("tiny", tmp_path).path == TINY_PATH


def test_a_pointer_that_is_wrong_is_an_error_not_another_model(tmp_path: Path) -> None:
    write_promotions(tmp_path, Promotions(stack=["gone"]))
    with pytest.raises(ModelError, match="is gone; restore it, or run 'rollback'"):
        find_recogniser("auto", tmp_path)
    pointer = promoted_folder(tmp_path).with_suffix(".json")
    for content in ("{", json.dumps({"stack": 3}), "[]"):
        pointer.write_text(content)
        with pytest.raises(ModelError, match="damaged"):
            read_promotions(tmp_path)
