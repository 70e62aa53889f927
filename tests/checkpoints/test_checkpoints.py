"""Any DRAEM file opens with the right card; anything else is refused in a sentence; our own files survive a kill."""

import contextlib
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

from draem_core.checkpoints import checkpoint_digest, list_checkpoints, load_checkpoint, save_checkpoint
from draem_core.checkpoints.files import LIMIT_VARIABLE
from draem_core.errors import CheckpointError
from draem_core.methods.draem import Draem
from draem_core.types import Calibration, Card

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="reference checkpoints are not on this machine")

WIDTHS = (2, 1)
CARD = Card(
    name="tile",
    flavour="ours",
    widths=WIDTHS,
    input_size=(64, 96),
    resize_filter="bilinear",
    color_order="RGB",
    concat_order="image_first",
    score_rule="max",
    calibration=Calibration(pixel_threshold=0.25),
    training={"epochs": 3, "seed": 7},
)


def network(sspcab=False, seed=0, widths=WIDTHS):
    torch.manual_seed(seed)
    model = Draem(widths, sspcab)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 2)
    return model


def original_naming(model):
    """Return the two state dicts as the original code base names them."""
    return model.reconstructive_subnetwork.state_dict(), model.discriminative_subnetwork.state_dict()


def assert_same_weights(model, other):
    layers, others = model.state_dict(), other.state_dict()
    assert layers.keys() == others.keys()
    for name, tensor in layers.items():
        assert torch.equal(tensor, others[name]), name


def refused(path, *phrases, **options):
    """Assert that ``path`` is refused in a short sentence that has the file's name and all phrases; return it."""
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path, **options)
    message = str(error.value)
    assert Path(path).name in message
    assert ";" in message, "what is wrong; what to do"
    assert len(message) < 600
    for phrase in phrases:
        assert phrase in message
    return message


# ---------------------------------------------------------------- ours


@pytest.mark.parametrize("sspcab", [False, True])
def test_what_is_saved_comes_back_bit_for_bit(tmp_path, sspcab):
    model, card = network(sspcab), CARD.model_copy(update={"sspcab": sspcab})
    path = save_checkpoint(tmp_path / "new" / "tile.safetensors", model, card)
    checkpoint = load_checkpoint(path)

    assert_same_weights(checkpoint.model, model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert checkpoint.card == card.model_copy(update={"parameters": parameters, "digest": digest})
    assert checkpoint.files == (path,)


def test_loaded_model_is_ready_for_inference(tmp_path):
    model = load_checkpoint(save_checkpoint(tmp_path / "tile.safetensors", network().train(), CARD)).model
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    reconstruction, logits = model(torch.rand(1, 3, 32, 32))
    assert reconstruction.shape == (1, 3, 32, 32)
    assert logits.shape == (1, 2, 32, 32)


def test_saving_what_was_loaded_gives_the_same_file(tmp_path):
    first = save_checkpoint(tmp_path / "first.safetensors", network(), CARD)
    checkpoint = load_checkpoint(first)
    second = save_checkpoint(tmp_path / "second.safetensors", checkpoint.model, checkpoint.card)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stores_the_kernels_in_half_the_bytes(tmp_path, dtype):
    model = network()
    model.reconstructive_subnetwork.encoder.block1[1].running_var.fill_(1e6)  # beyond float16
    whole = save_checkpoint(tmp_path / "whole.safetensors", model, CARD)
    half = save_checkpoint(tmp_path / "half.safetensors", model, CARD, dtype)
    assert half.stat().st_size < 0.75 * whole.stat().st_size

    loaded = load_checkpoint(half).model.state_dict()
    for name, tensor in model.state_dict().items():
        expected = tensor.to(dtype).to(tensor.dtype) if tensor.ndim > 1 else tensor
        assert torch.equal(loaded[name], expected), name


def test_size_and_digest_in_the_stored_card_are_not_believed(tmp_path):
    path = tmp_path / "tile.safetensors"
    lying = CARD.model_copy(update={"parameters": 5, "digest": "abc"})
    save_file(network().state_dict(), path, {"card": lying.model_dump_json()})
    card = load_checkpoint(path).card
    assert card.parameters == sum(parameter.numel() for parameter in network().parameters())
    assert card.digest == hashlib.sha256(path.read_bytes()).hexdigest()


cards = st.builds(
    Card,
    name=st.text(min_size=1, max_size=20),
    flavour=st.sampled_from(["original", "anomalib", "ours"]),
    widths=st.just((1, 1)),
    input_size=st.tuples(*[st.integers(1, 128).map(lambda n: 32 * n)] * 2),
    resize_filter=st.sampled_from(["bilinear", "bilinear_antialias"]),
    color_order=st.sampled_from(["RGB", "BGR"]),
    concat_order=st.sampled_from(["image_first", "reconstruction_first"]),
    sspcab=st.just(False),
    score_rule=st.sampled_from(["max", "max_of_mean21"]),
    calibration=st.none() | st.builds(Calibration, pixel_threshold=st.floats(0, 1), image_max=st.floats(0, 1)),
    training=st.none() | st.dictionaries(st.text(max_size=9), st.integers() | st.floats(0, 9) | st.text(max_size=9)),
    parameters=st.integers(0, 10**9),
    digest=st.text(max_size=9),
    assumed=st.lists(st.sampled_from(["input_size", "color_order"]), unique=True).map(tuple),
)


ANY_MODEL = network(widths=(1, 1))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(card=cards)
def test_any_card_survives(tmp_path, card):
    model = ANY_MODEL
    model.concat_order = card.concat_order
    loaded = load_checkpoint(save_checkpoint(tmp_path / "any.safetensors", model, card)).card
    settled = {"parameters": loaded.parameters, "digest": loaded.digest}
    assert loaded == card.model_copy(update=settled)
    assert loaded.parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("death", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_dies_leaves_the_old_file(tmp_path, monkeypatch, death):
    path = save_checkpoint(tmp_path / "tile.safetensors", network(seed=1), CARD)
    before = path.read_bytes()

    def die(*_):
        raise death

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(CheckpointError if isinstance(death, OSError) else KeyboardInterrupt, match=r"tile|^$"):
        save_checkpoint(path, network(seed=2), CARD)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "changed", "dtype"),
    [
        ("tile.pth", {}, torch.float32),
        ("tile.safetensors", {"widths": (4, 1)}, torch.float32),
        ("tile.safetensors", {"concat_order": "reconstruction_first"}, torch.float32),
        ("tile.safetensors", {"sspcab": True}, torch.float32),
        ("tile.safetensors", {}, torch.float64),
    ],
)
def test_a_card_of_another_network_is_not_written(tmp_path, name, changed, dtype):
    with pytest.raises(ValueError, match=r"card|safetensors|dtype"):
        save_checkpoint(tmp_path / name, network(), CARD.model_copy(update=changed), dtype)
    assert not any(tmp_path.iterdir())


# ---------------------------------------------------------------- plain state dicts and the original's pair


def prefixed(layers, prefix):
    return OrderedDict((prefix + name, tensor) for name, tensor in layers.items())


@pytest.mark.parametrize(
    ("prefix", "nested"),
    [("", None), ("module.", "state_dict"), ("_orig_mod.module.", "model"), ("", "model_state_dict")],
)
@pytest.mark.parametrize("naming", ["original", "anomalib"])
def test_plain_state_dict_of_either_naming(tmp_path, naming, prefix, nested):
    model = network()
    first, second = original_naming(model)
    layers = prefixed({**first, **second} if naming == "original" else model.state_dict(), prefix)
    torch.save({nested: layers, "epoch": 4} if nested else layers, tmp_path / "bottle.pth")

    checkpoint = load_checkpoint(tmp_path / "bottle.pth")

    assert_same_weights(checkpoint.model, model)
    card = checkpoint.card
    expected = {
        "original": ("BGR", "reconstruction_first", "bilinear", "max_of_mean21"),
        "anomalib": ("RGB", "image_first", "bilinear_antialias", "max"),
    }
    assert (card.color_order, card.concat_order, card.resize_filter, card.score_rule) == expected[naming]
    assert (card.name, card.flavour, card.widths, card.sspcab) == ("bottle", naming, WIDTHS, False)
    assert checkpoint.model.concat_order == card.concat_order
    assert card.assumed == ("input_size", "resize_filter", "color_order", "concat_order", "score_rule")


def test_files_of_old_torch_open(tmp_path):
    model = network()
    layers = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    torch.save(layers, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert_same_weights(load_checkpoint(tmp_path / "old.pt").model, model)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_become_float32(tmp_path, dtype):
    model = network()
    layers = {
        name: value.to(dtype) if value.is_floating_point() else value for name, value in model.state_dict().items()
    }
    torch.save(layers, tmp_path / "tile.pth")
    loaded = load_checkpoint(tmp_path / "tile.pth").model.state_dict()
    for name, tensor in layers.items():
        assert torch.equal(loaded[name], tensor.to(loaded[name].dtype))
    assert {tensor.dtype for tensor in loaded.values()} == {torch.float32, torch.int64}


def test_safetensors_without_card_is_told_by_its_names(tmp_path):
    first, second = original_naming(network())
    save_file({**first, **second}, tmp_path / "foreign.safetensors")
    card = load_checkpoint(tmp_path / "foreign.safetensors").card
    assert (card.flavour, card.color_order) == ("original", "BGR")


@pytest.fixture
def pair(tmp_path):
    """An original pair, its model and the two paths."""
    model = network()
    first, second = original_naming(model)
    torch.save(first, tmp_path / "RUN_0.0001_bottle_.pckl")
    torch.save(second, tmp_path / "RUN_0.0001_bottle__seg.pckl")
    return model, tmp_path / "RUN_0.0001_bottle_.pckl", tmp_path / "RUN_0.0001_bottle__seg.pckl"


def test_either_file_of_a_pair_opens_both(pair):
    model, first, second = pair
    one, other = load_checkpoint(str(first)), load_checkpoint(second)
    assert_same_weights(one.model, model)
    assert_same_weights(other.model, model)
    assert one.card == other.card
    assert one.files == other.files == (first, second)
    assert one.card.name == "RUN_0.0001_bottle"
    assert one.card.digest == hashlib.sha256(first.read_bytes() + second.read_bytes()).hexdigest()
    assert one.card.digest == checkpoint_digest((first, second))


@pytest.mark.parametrize("lost", [0, 1])
def test_a_missing_partner_is_named_with_its_folder(pair, lost):
    _, *files = pair
    files[lost].unlink()
    refused(files[1 - lost], files[lost].name, str(files[lost].parent), "half")


def test_a_pair_that_is_twice_the_same_half_is_refused(pair):
    _, first, second = pair
    shutil.copy(first, second)
    refused(second, "copy both files")


def test_a_pair_is_measured_together(pair):
    _, first, second = pair
    sizes = first.stat().st_size + second.stat().st_size
    load_checkpoint(first, max_bytes=sizes)
    with pytest.raises(CheckpointError, match="limit"):
        load_checkpoint(first, max_bytes=sizes - 1)


# ---------------------------------------------------------------- anomalib's Lightning checkpoints


def lightning(model, steps=(), **post_processor):
    return {
        "epoch": 5,
        "global_step": 60,
        "pytorch-lightning_version": "2.6.6",
        "state_dict": {
            **{f"post_processor.{name}": torch.tensor(value) for name, value in post_processor.items()},
            **prefixed(model.state_dict(), "model."),
        },
        "anomalib_pre_processor_config": {
            "transform": {"class_path": "torchvision.transforms.v2.Compose", "init_args": {"transforms": list(steps)}}
        },
    }


def resize(size, antialias):
    settings = {"size": size, "interpolation": "bilinear", "antialias": antialias}
    return {"class_path": "torchvision.transforms.v2.Resize", "init_args": settings}


def test_lightning_says_size_filter_calibration_and_progress(tmp_path):
    nan = float("nan")
    content = lightning(
        network(sspcab=True), [resize([320, 256], False)], _pixel_threshold=0.75, pixel_min=0.5, image_max=nan
    )
    torch.save(content, tmp_path / "model.ckpt")
    card = load_checkpoint(tmp_path / "model.ckpt").card
    assert (card.flavour, card.sspcab, card.input_size, card.resize_filter) == (
        "anomalib",
        True,
        (320, 256),
        "bilinear",
    )
    assert card.calibration == Calibration(pixel_threshold=0.75, pixel_min=0.5)
    assert card.training == {"epoch": 5, "global_step": 60}
    assert card.assumed == ("color_order", "concat_order", "score_rule")


@pytest.mark.parametrize("config", [None, 3, {"transform": [1]}, {"transform": {"init_args": {"transforms": [None]}}}])
def test_a_pre_processor_of_unknown_make_is_not_believed(tmp_path, config):
    content = lightning(network()) | {"anomalib_pre_processor_config": config, "epoch": "five"}
    torch.save(content, tmp_path / "model.ckpt")
    card = load_checkpoint(tmp_path / "model.ckpt").card
    assert card.input_size == (256, 256)
    assert {"input_size", "resize_filter"} <= set(card.assumed)
    assert card.calibration is None
    assert card.training == {"global_step": 60}


@pytest.mark.parametrize(
    ("step", "phrase"),
    [
        ({"class_path": "torchvision.transforms.v2.Normalize"}, "Normalize"),
        (resize([250, 250], True), "divide by 32"),
        (resize([2**40, 2**40], True), "input_size"),
        (resize(["x" * 10**5, 32], True), "input_size"),
    ],
)
def test_a_pre_processor_that_cannot_be_followed_is_refused(tmp_path, step, phrase):
    torch.save(lightning(network(), [step]), tmp_path / "model.ckpt")
    refused(tmp_path / "model.ckpt", phrase)


# ---------------------------------------------------------------- the JSON file beside the weights


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "tile.pth"
    torch.save(network().state_dict(), path)
    return path


def test_json_beside_the_weights_overrides_what_it_names(plain):
    stated = {"color_order": "BGR", "input_size": [320, 320], "name": "night shift", "calibration": {"pixel_max": 0.5}}
    plain.with_suffix(".json").write_text(json.dumps(stated))
    card = load_checkpoint(plain).card
    assert (card.color_order, card.input_size, card.name) == ("BGR", (320, 320), "night shift")
    assert card.calibration == Calibration(pixel_max=0.5)
    assert card.assumed == ("resize_filter", "concat_order", "score_rule")


def test_json_of_another_flavour_brings_that_flavours_conventions(plain):
    plain.with_suffix(".json").write_text(json.dumps({"flavour": "original", "color_order": "RGB"}))
    checkpoint = load_checkpoint(plain)
    assert checkpoint.card.color_order == "RGB"
    assert checkpoint.card.score_rule == "max_of_mean21"
    assert checkpoint.model.concat_order == "reconstruction_first"


def test_json_leaves_alone_what_the_file_itself_says(tmp_path):
    path = tmp_path / "model.ckpt"
    torch.save(lightning(network(), [resize([320, 256], False)]), path)
    path.with_suffix(".json").write_text('{"score_rule": "max_of_mean21"}')
    card = load_checkpoint(path).card
    assert (card.input_size, card.resize_filter, card.score_rule) == ((320, 256), "bilinear", "max_of_mean21")


def test_a_whole_card_may_lie_beside_its_weights(tmp_path):
    path = save_checkpoint(tmp_path / "tile.safetensors", network(), CARD)
    card = load_checkpoint(path).card
    path.with_suffix(".json").write_text(card.model_dump_json())
    assert load_checkpoint(path).card == card
    path.with_suffix(".json").write_text(CARD.model_dump_json())  # parameters 0 and no digest: not stated
    assert load_checkpoint(path).card == card


def test_the_json_of_a_pair_is_named_after_its_first_file(pair):
    _, first, second = pair
    first.with_suffix(".json").write_text('{"score_rule": "max"}')
    assert load_checkpoint(first).card.score_rule == load_checkpoint(second).card.score_rule == "max"


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ('{"colour": "BGR"}', "colour"),
        ('{"color_order": "GBR"}', "color_order"),
        ('{"flavour": ["ours"]}', "flavour"),
        ('{"input_size": [100, 100]}', "divide by 32"),
        ('{"input_size": [32000, 32000]}', "4096"),
        ('{"widths": [128, 64]}', "widths (128, 64)"),
        ('{"sspcab": true}', "sspcab"),
        ('{"parameters": 5}', "parameters"),
        ('{"digest": "abc"}', "digest"),
        ('{"calibration": {"pixel_min": NaN}}', "JSON"),
        ('{"name": ', "JSON"),
        ("[1, 2]", "object"),
        ("", "JSON"),
        ("[" * 100_000, "JSON"),
        ('{"name": "' + "x" * 2**20 + '"}', "1 MB"),
        ('{"' + "k" * 10_000 + '": 1}', "kkk"),
        ("\ud800", "JSON"),
    ],
)
def test_nonsense_in_the_json_is_blamed_on_the_json(plain, text, phrase):
    plain.with_suffix(".json").write_text(text, errors="surrogatepass")
    with pytest.raises(CheckpointError, match=r"^tile\.json .*" + re.escape(phrase)) as error:
        load_checkpoint(plain)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("card", ["{", "[]", '{"widths": [9, 9]}', '{"color_order": 3}', '{"nonsense": 1}'])
def test_a_broken_card_inside_the_weights_is_refused(tmp_path, card):
    save_file(network().state_dict(), tmp_path / "tile.safetensors", {"card": card})
    refused(tmp_path / "tile.safetensors", "card")


# ---------------------------------------------------------------- files that must be refused


def zipped(path, names, compression=zipfile.ZIP_STORED, content=b"x"):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name in names:
            archive.writestr(name, content)


def legacy_of(data):
    """Return an old torch file whose main pickle is ``data``."""
    start = io.BytesIO()
    torch.save({}, start, _use_new_zipfile_serialization=False)
    empty = pickle.dumps({}, protocol=2)
    head = start.getvalue()
    return head[: head.rindex(empty)] + data


def changed_layer(change, name="reconstructive_subnetwork.encoder.block1.0.weight"):
    layers = network().state_dict()
    layers[name] = change(layers[name])
    return layers


VARIANCE = "reconstructive_subnetwork.encoder.block1.1.running_var"

BAD_LAYERS = {
    "a value NaN": (lambda: changed_layer(lambda w: w * float("nan")), "NaN"),
    "a value infinite": (lambda: changed_layer(lambda w: w + float("inf")), "encoder.block1.0.weight"),
    "float64 beyond float32": (lambda: changed_layer(lambda w: w.double() * 1e300), "infinite"),
    "a negative variance": (lambda: changed_layer(torch.neg, VARIANCE), "running_var"),
    "a wrong kernel": (lambda: changed_layer(lambda w: w[:, :, :2]), "(2, 3, 2, 3) instead of (2, 3, 3, 3)"),
    "another width": (lambda: changed_layer(lambda w: torch.zeros(3, 3, 3, 3)), "width 3"),
    "no dimension": (lambda: changed_layer(lambda w: torch.tensor(1.0)), "()"),
    "whole numbers": (lambda: changed_layer(lambda w: w.to(torch.int8)), "int8"),
    "complex numbers": (lambda: changed_layer(lambda w: w.to(torch.complex64)), "complex64"),
    "a sparse layer": (lambda: changed_layer(lambda w: w.to_sparse()), "sparse"),
    "a layer on meta": (lambda: changed_layer(lambda w: w.to("meta")), "plain float tensor"),
    "no tensor": (lambda: changed_layer(lambda w: "weights"), "lacks 1 layer (encoder.block1.0.weight)"),
    "an unknown layer": (lambda: network().state_dict() | {"encoder.block7.weight": torch.ones(1)}, "block7"),
    "a layer twice": (lambda: network().state_dict() | {"module." + VARIANCE: torch.ones(2)}, "twice"),
    "half of anomalib": (lambda: prefixed(original_naming(network())[0], "reconstructive_subnetwork."), "only one"),
    "another network": (lambda: {f"conv{i}.weight": torch.ones(1) for i in range(9)}, "conv0.weight"),
    "another auto-encoder": (lambda: {"encoder.0.weight": torch.ones(1)}, "another network"),
    "no layers": (dict, "no layers"),
    "names that are not text": (lambda: {1: torch.ones(1), (2, 3): torch.ones(1)}, "no layers"),
    "a list": (lambda: [torch.ones(1)], "list"),
    "a tensor": (lambda: torch.ones(1), "Tensor"),
}


@pytest.mark.parametrize("case", BAD_LAYERS)
def test_bad_layers_are_refused(tmp_path, case):
    make, phrase = BAD_LAYERS[case]
    torch.save(make(), tmp_path / "bad.pth")
    refused(tmp_path / "bad.pth", phrase)


def test_missing_layers_are_counted_and_the_first_named(tmp_path):
    layers = {name: tensor for name, tensor in network().state_dict().items() if ".decoder.db4." not in name}
    torch.save(layers, tmp_path / "bad.pth")
    # two convolutions (weight, bias) and two batch-norms (weight, bias, mean, variance)
    refused(tmp_path / "bad.pth", "lacks 12 layers (decoder.db4.0.weight, decoder.db4.0.bias, decoder.db4.1.weight, …)")


def test_claims_larger_than_the_file_allocate_nothing(tmp_path):
    """A zero stride makes a tensor of a petabyte out of one number."""
    width = 2**20
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in Draem((width, 1)).state_dict().items()}
    torch.save({name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}, tmp_path / "petabyte.pth")
    assert (tmp_path / "petabyte.pth").stat().st_size < 10**6
    refused(tmp_path / "petabyte.pth", "larger than the file")


def test_a_safetensors_header_that_claims_a_petabyte_is_refused(tmp_path):
    entry = {"dtype": "F32", "shape": [2**48], "data_offsets": [0, 2**50]}
    header = json.dumps({"encoder.block1.0.weight": entry}).encode()
    path = tmp_path / "petabyte.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    refused(path, "damaged")


class Creates:
    """A pickle of this creates the file RAN when it is executed."""

    def __reduce__(self):
        return Path.touch, (Path("RAN"),)


class Allocates:
    """A pickle of this fills the memory when torch is asked to read it."""

    def __reduce__(self):
        return bytearray, (10**12,)


def bomb(path):
    zipped(path, ["a/data.pkl"], zipfile.ZIP_DEFLATED, bytes(10**7))


BAD_FILES = {
    "empty.pckl": (lambda path: path.write_bytes(b""), "empty"),
    "text.pth": (lambda path: path.write_text("hello, I am a text file\n"), "not a checkpoint"),
    "text.safetensors": (lambda path: path.write_text("hello, I am a text file\n"), "damaged"),
    "one_byte.ckpt": (lambda path: path.write_bytes(b"\x80"), "not a checkpoint"),
    "code.ckpt": (lambda path: torch.save({"state_dict": Creates()}, path), "code"),
    "code_old.pt": (lambda path: torch.save(Creates(), path, _use_new_zipfile_serialization=False), "code"),
    "code_plain.pckl": (lambda path: path.write_bytes(pickle.dumps(Creates())), "code"),
    "module.pt": (lambda path: torch.save(network(), path), "draem_core.methods.draem.network.Draem"),
    "module_old.pt": (lambda path: torch.save(network(), path, _use_new_zipfile_serialization=False), "state_dict()"),
    "script.pt": (lambda path: zipped(path, ["a/data.pkl", "a/constants.pkl"]), "TorchScript"),
    "allocates.pt": (lambda path: torch.save(Allocates(), path), "bytearray"),
    "allocates_old.pt": (lambda path: torch.save(Allocates(), path, _use_new_zipfile_serialization=False), "bytearray"),
    "zip.pt": (lambda path: zipped(path, ["readme.txt"]), "zip"),
    "zip_bomb.pt": (bomb, "compressed"),
    "zip_nonsense.pt": (lambda path: zipped(path, ["a/data.pkl", "a/version"]), "damaged"),
    "endless_index.pt": (lambda path: zipped(path, ["a/data.pkl"], content=b"\x80\x02" + b"]" * 2**21), "too long"),
    "endless_old.pt": (lambda path: path.write_bytes(legacy_of(b"\x80\x02" + b"]" * 2**21)), "too long"),
    "nested_old.pt": (lambda path: path.write_bytes(legacy_of(b"\x80\x02" + b"(" * 10**5 + b".")), "nested_old"),
    "header.safetensors": (lambda path: path.write_bytes(struct.pack("<Q", 2**40) + b"{}" + bytes(99)), "damaged"),
    "header_text.safetensors": (lambda path: path.write_bytes(struct.pack("<Q", 9) + b"{" * 99), "damaged"),
    "no_layers.safetensors": (lambda path: save_file({}, path), "no layers"),
    "picture.pth": (lambda path: Image.new("RGB", (9, 9)).save(path, "PNG"), "not a checkpoint"),
    "folder.ckpt": (Path.mkdir, "folder"),
    "loop.ckpt": (lambda path: path.symlink_to(path), "symbolic link"),
    "dangling.ckpt": (lambda path: path.symlink_to(path.with_name("gone.ckpt")), "not found"),
    "pipe.ckpt": (os.mkfifo, "pipe"),
    "missing.ckpt": (lambda path: None, "not found"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused_and_run_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    make, phrase = BAD_FILES[name]
    make(tmp_path / name)
    refused(tmp_path / name, phrase)
    assert not Path("RAN").exists()


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    refused(tmp_path / "a\0b.ckpt", "null")
    with pytest.raises(CheckpointError, match="too long"):
        load_checkpoint(tmp_path / ("x" * 5000))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_refused(plain):
    plain.chmod(0)
    refused(plain, "ermission")


def test_a_file_that_the_disk_does_not_hand_out_is_refused(plain, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", fail)
    refused(plain, "Permission denied")


@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_a_file_cut_off_anywhere_is_refused(tmp_path, kind):
    path = tmp_path / "cut.safetensors"
    if kind == "safetensors":
        save_checkpoint(path, network(widths=(1, 1)), CARD.model_copy(update={"widths": (1, 1)}))
    else:
        torch.save(network(widths=(1, 1)).state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    for length in {1, 3, 8, 9, 100, *range(0, len(whole), len(whole) // 20), len(whole) - 1} - {0}:
        path.write_bytes(whole[:length])
        refused(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["zip", "old", "safetensors"]), changes=st.dictionaries(st.floats(0, 1), st.integers(0, 255))
)
def test_a_damaged_file_opens_or_is_refused(tmp_path, kind, changes):
    path, whole = tmp_path / f"{kind}.pt", tmp_path / f"{kind}.whole"
    if not whole.exists():
        layers = network(widths=(1, 1)).state_dict()
        if kind == "safetensors":
            save_file(layers, whole)
        else:
            torch.save(layers, whole, _use_new_zipfile_serialization=kind == "zip")
    content = bytearray(whole.read_bytes())
    for place, value in changes.items():
        content[int(place**4 * (len(content) - 1))] = value  # mostly near the start, where the headers are
    path.write_bytes(content)
    with contextlib.suppress(CheckpointError):
        load_checkpoint(path)


# ---------------------------------------------------------------- size limits


def test_five_gigabytes_are_refused_unread(tmp_path):
    path = tmp_path / "huge.ckpt"
    with path.open("wb") as stream:
        stream.truncate(5 * 10**9)
    refused(path, "4,768 MB", "4,096 MB", LIMIT_VARIABLE)


def test_the_limit_can_be_set_when_called(plain, monkeypatch):
    size = plain.stat().st_size
    load_checkpoint(plain, max_bytes=size)
    refused(plain, "limit", max_bytes=size - 1)

    with plain.open("r+b") as stream:
        stream.truncate(2**20 + 1)
    monkeypatch.setenv(LIMIT_VARIABLE, "1")
    refused(plain, "limit of 1 MB")


@pytest.mark.parametrize("value", ["0", "-1", "4 GB", "inf", "²"])
def test_a_nonsensical_limit_is_said(plain, monkeypatch, value):
    monkeypatch.setenv(LIMIT_VARIABLE, value)
    with pytest.raises(CheckpointError, match=LIMIT_VARIABLE):
        load_checkpoint(plain)


# ---------------------------------------------------------------- what lies in a folder


def test_list_shows_each_checkpoint_once_and_no_unfinished_write(tmp_path):
    names = [
        "b/bottle_.pckl",
        "b/bottle__seg.pckl",
        "b/widow__seg.pckl",
        "last.CKPT",
        "a.safetensors",
        "a_seg.safetensors",
        ".a.safetensors.x1.tmp",
        ".git/x.pth",
        "a.json",
        "notes.txt",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "loop.pth").symlink_to(tmp_path / "loop.pth")
    shown = [path.relative_to(tmp_path).as_posix() for path in list_checkpoints(tmp_path)]
    assert shown == ["a.safetensors", "a_seg.safetensors", "b/bottle_.pckl", "b/widow__seg.pckl", "last.CKPT"]


def test_list_of_a_missing_folder_is_empty(tmp_path):
    assert list_checkpoints(tmp_path / "nowhere") == []


# ---------------------------------------------------------------- reference checkpoints of the two code bases


@needs_golden
@pytest.mark.parametrize("flavour", ["original", "anomalib", "anomalib_sspcab"])
def test_reference_checkpoints_give_the_upstream_result(flavour):
    folder = GOLDEN / flavour
    expected = np.load(folder / "expected.npz")
    checkpoint = load_checkpoint(next(iter(sorted(folder.glob("*_.pckl"))), folder / "model.ckpt"))
    card = checkpoint.card
    assert card.input_size == (256, 256)
    assert card.sspcab == (flavour == "anomalib_sspcab")
    if flavour == "anomalib":
        assert card.calibration.pixel_threshold == pytest.approx(float(expected["pixel_threshold"]))
        assert card.calibration.image_min == pytest.approx(float(expected["image_min"]))

    # in float64: in float32 the processor's order of summation moves the map by up to 4e-3 (logits of ±70)
    exact = np.load(folder / "expected_float64.npz")
    pixels = np.array(Image.open(folder / "input.png").convert("RGB"), np.float64)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    swap = [2, 1, 0] if card.color_order == "BGR" else [0, 1, 2]
    resized = torch.nn.functional.interpolate(
        image[:, swap], card.input_size, mode="bilinear", antialias=card.resize_filter == "bilinear_antialias"
    )
    reconstruction, logits = checkpoint.model.double()(resized)

    rgb = reconstruction[0, swap].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(rgb[::2, ::2], exact["reconstruction_rgb"], atol=1e-8)
    np.testing.assert_allclose(logits[0].softmax(0)[1].numpy(), exact["anomaly_map"], atol=1e-7)


@needs_golden
@pytest.mark.parametrize(
    "name", sorted(path.name for path in (GOLDEN / "hostile").glob("*") if "_seg" not in path.name)
)
def test_reference_hostile_files_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    refused(GOLDEN / "hostile" / name)
    assert not any(tmp_path.iterdir())


@needs_golden
def test_reference_pair_with_a_bad_half_is_refused_by_either_name():
    refused(GOLDEN / "hostile" / "missing_layer_.pckl", "lacks 1 layer (encoder.block3.0.weight)")
    with pytest.raises(CheckpointError, match=r"missing_layer_\.pckl lacks"):
        load_checkpoint(GOLDEN / "hostile" / "missing_layer__seg.pckl")
