"""What lies under other keys, prefixes and in parts opens, or is named; what was decided is said on the card."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file
from test_checkpoints import assert_same_weights, network, original_naming, prefixed, refused

from draem_core.checkpoints import list_checkpoints, load_checkpoint
from draem_core.checkpoints.assumptions import assumptions_of

MODEL = network()
LAYERS = MODEL.state_dict()
FIRST, SECOND = original_naming(MODEL)
ZEROS = {name: torch.zeros_like(tensor) for name, tensor in LAYERS.items()}

OPENED = {
    "a net key": {"net": LAYERS, "epoch": 3},
    "a weights key": {"weights": LAYERS},
    "keys in keys": {"checkpoint": {"generator": {"weights": LAYERS}}},
    "a net prefix": prefixed(LAYERS, "net."),
    "two prefixes in one": prefixed(LAYERS, "lit.module.net."),
    "fsdp": prefixed(LAYERS, "_fsdp_wrapped_module."),
    "fsdp inside": {name.replace(".", "._fsdp_wrapped_module.", 1): tensor for name, tensor in LAYERS.items()},
    "both halves by anomalib's names": {"reconstructive_subnetwork": FIRST, "discriminative_subnetwork": SECOND},
    "an optimizer's averages beside": {"model": LAYERS, "optimizer": {"exp_avg": ZEROS}},
    "a loss network beside": {"state_dict": {**prefixed(LAYERS, "model."), "loss.encoder.0.weight": torch.ones(1)}},
}


@pytest.mark.parametrize("case", OPENED)
def test_what_is_plainly_draem_opens_under_any_key_and_prefix(tmp_path, case):
    torch.save(OPENED[case], tmp_path / "tile.pth")
    checkpoint = load_checkpoint(tmp_path / "tile.pth")
    assert_same_weights(checkpoint.model, MODEL)
    assert (checkpoint.card.flavour, checkpoint.card.notes) == ("anomalib", ())


@pytest.mark.parametrize("keys", [("model", "model_seg"), ("reconstruction", "segmentation")])
def test_both_halves_of_an_original_in_one_file_open(tmp_path, keys):
    torch.save({**dict(zip(keys, (FIRST, SECOND), strict=True)), "epoch": 3}, tmp_path / "tile.pth")
    checkpoint = load_checkpoint(tmp_path / "tile.pth")
    assert_same_weights(checkpoint.model, MODEL)
    assert (checkpoint.card.flavour, checkpoint.files) == ("original", (tmp_path / "tile.pth",))
    assert checkpoint.card.training == {"epoch": 3}


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ({"model_ema": ZEROS, "model": LAYERS}, "under 'model' were taken, not those under 'model_ema'"),
        ({"ema": ZEROS, "state_dict": LAYERS}, "under 'state_dict' were taken, not those under 'ema'"),
        ({"ema": LAYERS}, "averaged weights under 'ema' were taken; there are no others"),
        (prefixed(LAYERS, "ema_model."), "averaged weights under 'ema_model' were taken"),
        ({**LAYERS, **prefixed(ZEROS, "![p](x).")}, "under the top were taken, not those under '��p��x�'"),
    ],
)
def test_which_weights_were_taken_is_said(tmp_path, content, note):
    torch.save(content, tmp_path / "tile.pth")
    checkpoint = load_checkpoint(tmp_path / "tile.pth")
    assert_same_weights(checkpoint.model, MODEL)
    assert note in checkpoint.card.notes[0]
    assert checkpoint.card.notes[0] in assumptions_of(checkpoint.card)


def test_two_networks_of_which_none_is_meant_are_named(tmp_path):
    torch.save({"student": LAYERS, "teacher": ZEROS}, tmp_path / "tile.pth")
    refused(tmp_path / "tile.pth", "holds 2 networks, under 'student', 'teacher'", "alone")


def test_what_was_found_and_looked_for_is_named(tmp_path):
    torch.save({"weights": {"conv.weight": torch.ones(1)}}, tmp_path / "other.pth")
    refused(tmp_path / "other.pth", "weights.conv.weight", "looked for", "under any prefix and key")
    torch.save({"epoch": 3, "config": {"lr": 0.1}}, tmp_path / "empty.pth")
    refused(tmp_path / "empty.pth", "no layers", "its keys are epoch, config")


def test_a_dictionary_that_holds_itself_is_searched_once(tmp_path):
    content = {f"key{index}": {} for index in range(300)}
    content["self"] = content
    for value in list(content.values()):
        value["up"] = content
    torch.save(content, tmp_path / "loop.pth")
    refused(tmp_path / "loop.pth", "no layers")


# ---------------------------------------------------------------- a checkpoint in parts


@pytest.fixture
def parts(tmp_path):
    names = list(LAYERS)
    files = [tmp_path / f"m-{number:05}-of-00003.safetensors" for number in (1, 2, 3)]
    for start, file in enumerate(files):
        save_file({name: LAYERS[name] for name in names[start::3]}, file)
    return files


def test_any_part_opens_all(parts):
    for part in parts:
        checkpoint = load_checkpoint(part)
        assert_same_weights(checkpoint.model, MODEL)
        assert checkpoint.files == tuple(parts)
        assert checkpoint.card.name == "m"
        assert checkpoint.card.digest == hashlib.sha256(b"".join(file.read_bytes() for file in parts)).hexdigest()
    assert list_checkpoints(parts[0].parent) == [parts[0]]


def test_a_missing_part_is_named(parts):
    parts[1].unlink()
    refused(parts[0], "is part 1 of 3", parts[1].name, str(parts[0].parent))
    parts[2].rename(parts[2].with_name("m-00009-of-00003.safetensors"))
    refused(parts[2].with_name("m-00009-of-00003.safetensors"), "part 9 of 3")


def test_parts_are_measured_together(parts):
    sizes = sum(file.stat().st_size for file in parts)
    load_checkpoint(parts[0], max_bytes=sizes)
    refused(parts[2], "limit", max_bytes=sizes - 1)
