"""Arrays, tensors and tables of libraries that are not imported."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
import time
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shipper.ecs.event import Event
from shipper.ecs.summaries import EXACT_ELEMENTS, SAMPLE_ELEMENTS, describe, summary
from shipper.ecs.tensors import is_missing, library_of, scalar
from shipper.ecs.values import number, text
from tests.property.test_ecs_total import encode


def stand_in(module: str, name: str, **attributes: Any) -> Any:
    """Return an object of a class that looks as if it came from `module`; asked for more, the test fails."""

    def refuse(self: object, attribute: str) -> Any:
        if module.startswith("jax") and attribute in {"is_ready", "devices", "device"}:
            raise AttributeError(attribute)  # which of them there are depends on the version
        raise AssertionError(f"{name} was asked for {attribute}")

    return type(name, (), {"__module__": module, "__getattr__": refuse, **attributes})()


class Platform:
    """A device of jax."""

    def __init__(self, platform: str) -> None:
        self.platform = platform


ON_A_DEVICE = [
    (stand_in("torch", "Tensor", shape=(2, 2), dtype="torch.float32", device="cuda:0"), "cuda:0"),
    (stand_in("torch.nn.parameter", "Parameter", shape=(2, 2), dtype="torch.float32", device="mps"), "mps"),
    (stand_in("torch", "Tensor", shape=(2, 2), dtype="torch.float32", device="meta"), "meta"),
    (
        stand_in(
            "tensorflow.python.framework.ops", "EagerTensor", shape=(2, 2), dtype="float32",
            device="/job:localhost/replica:0/task:0/device:GPU:0",
        ),
        "/job:localhost/replica:0/task:0/device:GPU:0",
    ),
    (stand_in("tensorflow.python.framework.ops", "SymbolicTensor", shape=(2, 2), dtype="float32", device=""), "no device"),
    (stand_in("jaxlib.xla_extension", "ArrayImpl", shape=(2, 2), dtype="float32", devices=lambda _: {Platform("gpu")}), "gpu"),
    (
        stand_in(
            "jaxlib.xla_extension", "ArrayImpl", shape=(2, 2), dtype="float32",
            devices=lambda _: {Platform("cpu")}, is_ready=lambda _: False,
        ),
        "a computation under way",
    ),
    (stand_in("jaxlib.xla_extension", "ArrayImpl", shape=(2, 2), dtype="float32", device=lambda _: "TPU_0"), "TPU_0"),
    (stand_in("cupy", "ndarray", shape=(2, 2), dtype="float32", device="<CUDA Device 0>"), "<CUDA Device 0>"),
]  # fmt: skip


@pytest.mark.parametrize(("tensor", "place"), ON_A_DEVICE, ids=lambda value: str(value)[:20])
def test_tensors_on_a_device_stay_there(tensor: Any, place: str) -> None:
    """U41: of a tensor on a device only type, shape and place are told; nothing is copied to the host."""
    name = type(tensor).__name__
    assert scalar(tensor) is None
    assert number(tensor) is None
    assert summary(tensor) == f"{name} float32[2,2] on {place}"
    assert text(tensor, 100) == f"{name} float32[2,2] on {place}"
    assert describe(tensor, with_values=True) == {
        "type": name, "dtype": "float32", "shape": [2, 2], "device": place,
    }  # fmt: skip
    given: dict[object, object] = {
        "x": tensor, "ml.prediction.score": tensor, "ml.features.numeric.a": tensor, "ml.params.p": tensor,
        "event.duration": tensor, "ml.prediction.correct": tensor, "@timestamp": tensor, "tags": [tensor],
    }  # fmt: skip
    _, document = encode(Event(20, tensor, "app", given))
    assert document["labels"]["x"].endswith(place)
    assert document["message"].endswith(place)


class HostTensor:
    """As much of a torch tensor in the host's memory as a summary needs; slices stay tensors."""

    device = "cpu"
    dtype = "torch.float32"

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape = array.shape

    def __getitem__(self, part: Any) -> HostTensor:
        return HostTensor(self._array[part])

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )

    def detach(self) -> Any:
        return self._array

    def item(self) -> Any:
        return self._array.item()

    def tolist(self) -> Any:
        return self._array.tolist()


HostTensor.__module__ = "torch"
HostTensor.__name__ = HostTensor.__qualname__ = "Tensor"


def test_tensors_on_the_host_are_measured() -> None:
    """U41: a tensor in the host's memory gives numbers, detached from its gradient; one element is a number."""
    tensor = HostTensor(np.array([[1.0, 2.0, math.nan], [4.0, math.inf, 6.0]], dtype=np.float32))
    assert describe(tensor) == {
        "type": "Tensor", "dtype": "float32", "shape": [2, 3],
        "min": 1.0, "max": 6.0, "mean": 3.25, "nan": 1, "inf": 1,
    }  # fmt: skip
    assert number(HostTensor(np.array([0.5]))) == 0.5


def test_a_subclass_of_another_module_is_known() -> None:
    """U41: a tensor whose class is the user's own, derived from the library's, is still a tensor."""
    image = type("Image", (type(ON_A_DEVICE[0][0]),), {"__module__": "vision"})()
    assert library_of(image) == "torch"
    assert summary(image) == "Image float32[2,2] on cuda:0"


def test_arrays_of_unknown_libraries_are_only_named() -> None:
    """U41: what has a shape and a dtype but comes from elsewhere (files, clusters) is never read."""
    lazy = stand_in("h5py._hl.dataset", "Dataset", shape=(10**6, 10**6), dtype="<f8")
    assert summary(lazy) == "Dataset <f8[1000000,1000000]"
    assert scalar(lazy) is None


def test_traced_and_symbolic_values_are_only_named() -> None:
    """U41: a value without data (traced, unknown shape) raises wherever it is asked, and gives its head alone."""

    class Tracer:
        shape = (None, 3)
        dtype = "float32"

        def devices(self) -> Any:
            raise RuntimeError("ConcretizationTypeError")

    Tracer.__module__ = "jax._src.interpreters.partial_eval"
    assert summary(Tracer()) == "Tracer float32[?]"
    Tracer.shape = (2, 3)  # type: ignore[assignment]
    assert summary(Tracer()) == "Tracer float32[2,3] on an unknown device"
    assert scalar(Tracer()) is None


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (np.arange(6).reshape(2, 3), "ndarray int64[2,3] min=0 max=5 mean=2.5 first=[0,1,2,3,4,…]"),
        (np.array([1.0, math.nan, math.inf]), "ndarray float64[3] min=1 max=1 mean=1 nan=1 inf=1 first=[1,nan,inf]"),
        (np.array([]), "ndarray float64[0] empty"),
        (np.array(["a", None], dtype=object), "ndarray object[2] first=[a,null]"),
        (np.array([1e308, 1e308]), "ndarray float64[2] min=1e+308 max=1e+308 first=[1e+308,1e+308]"),
        (np.array([True, False]), "ndarray bool[2] min=False max=True mean=0.5 first=[True,False]"),
        (np.array([1 + 2j, 0]), "ndarray complex128[2] first=[(1+2j),0j]"),
        (pd.Series([1.0, None]), "Series float64[2] min=1 max=1 mean=1 nan=1 first=[1,nan]"),
        (pd.Series([1, None], dtype="Int64"), "Series Int64[2] min=1 max=1 mean=1 nan=1 first=[1,null]"),
        (pd.Categorical(["a", "b", None]), "Categorical category[3] nan=1 first=[a,b,nan]"),
        (pd.DataFrame({"device": [1, None], "shape": ["a", "b"]}), "DataFrame[2 rows x 2 columns: device,shape] nan=1"),
        (pd.DataFrame(), "DataFrame[0 rows x 0 columns: ]"),
        (pd.MultiIndex.from_product([[1], [3, 4]]), "MultiIndex object[2] first=[(1, 3),(1, 4)]"),
    ],
)  # fmt: skip
def test_summaries(array: Any, line: str) -> None:
    """U41: an array is told in one line: type, shape, range, mean, what is missing, first values."""
    assert summary(array) == line


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(5_000_000),
        np.zeros((1000, 5000)).T,
        np.zeros((700, 900, 3), dtype=np.uint8),
        pd.DataFrame(np.zeros((500_000, 10))),
        pd.Series(np.zeros(5_000_000)),
    ],
    ids=["flat", "transposed", "image", "frame", "series"],
)
def test_large_arrays_are_sampled(array: Any) -> None:
    """U41: beyond 100,000 elements an even sample is looked at, the summary says so, and nothing is copied whole."""
    describe(np.zeros(EXACT_ELEMENTS + 1))
    tracemalloc.start()
    try:
        began = time.process_time()
        found = describe(array, with_values=True)
        took_s = time.process_time() - began
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found is not None
    sampled = found["sampled"]
    assert isinstance(sampled, int)
    assert 1_000 <= sampled <= 2 * SAMPLE_ELEMENTS
    assert peak < 1_000_000, "less than a copy"
    assert took_s < 0.5


def test_the_sample_reaches_all_channels() -> None:
    """U41: small dimensions are looked at whole, so that a broken channel of an image shows."""
    image = np.zeros((800, 600, 3))
    image[:, :, 2] = 7.0
    found = describe(image)
    assert found is not None
    assert (found["min"], found["max"]) == (0.0, 7.0)


def test_mapped_files_are_not_read(tmp_path: Any) -> None:
    """U41: of a file mapped into memory only the first values are read."""
    mapped = np.memmap(tmp_path / "data", dtype="float32", mode="w+", shape=(1000, 10))
    assert summary(mapped) == "memmap float32[1000,10] first=[0,0,0,0,0,…]"
    del mapped


@pytest.mark.parametrize(
    "missing", [None, math.nan, np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT", "us")]
)
def test_every_kind_of_missing_is_known(missing: Any) -> None:
    """U41: None, NaN, and NA and NaT of pandas and numpy are all missing."""
    assert is_missing(missing)
    present: list[Any] = [0, "", False, np.float32(0), pd.Timestamp(0), [], np.array([math.nan])]
    assert not any(is_missing(value) for value in present)


def test_scalars_of_numpy_and_pandas_fit_declared_fields() -> None:
    """U41: dates, spans and numbers of numpy and pandas go to their fields as Python's own would."""
    _, document = encode(
        Event(20, "x", "app", {
            "event.start": np.datetime64("2026-01-01T00:00:00", "ns"), "event.end": pd.Timestamp("2026-01-01", tz="Europe/Berlin"),
            "event.duration": np.timedelta64(1500, "us"), "ml.feedback.delay": pd.Timedelta("1min"),
            "ml.epoch": np.int32(3), "ml.prediction.score": np.float32(0.5), "ml.prediction.correct": np.bool_(True),
            "ml.metrics.loss": pd.NA, "ml.prediction.label": pd.Categorical(["a"])[0], "ml.prediction.time": np.int64(1_767_225_600),
            "span": np.timedelta64(1, "s"), "nothing": pd.NA,
        })
    )  # fmt: skip
    assert document["event"]["start"] == "2026-01-01T00:00:00.000000Z"
    assert document["event"]["end"] == "2025-12-31T23:00:00.000000Z"
    assert document["event"]["duration"] == 1_500_000
    ml = document["ml"]
    assert ml["feedback"]["delay"] == 60.0
    assert (ml["epoch"], ml["metrics"]["loss"]) == (3, None)
    assert "ml.metrics.loss" in ml["nonfinite"]
    assert ml["prediction"] == {
        "score": 0.5, "correct": True, "label": "a", "time": "2026-01-01T00:00:00.000000Z",
    }  # fmt: skip
    assert document["labels"] == {"span": str(dt.timedelta(seconds=1)), "nothing": "NA"}


def test_libraries_are_not_imported() -> None:
    """U41: encoding imports none of the libraries whose values it knows."""
    code = (
        "import sys, shipper.testing\n"
        "with shipper.testing.capture(): shipper.get_logger().info('x', a=object(), b=1.5, c=[1])\n"
        "print({'numpy', 'pandas', 'torch', 'tensorflow', 'jax'} & set(sys.modules))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


class EagerTensor:
    """As much of a TensorFlow tensor in the host's memory as a scalar needs; it has no `item`."""

    __module__ = "tensorflow.python.framework.ops"
    device = "/job:localhost/replica:0/task:0/device:CPU:0"

    def __init__(self, array: Any, dtype: str = "float32") -> None:
        self._array = array
        self.dtype = dtype
        self.shape = np.shape(array)

    def numpy(self) -> Any:
        return self._array


@pytest.mark.parametrize(
    ("tensor", "value"),
    [
        (EagerTensor(np.float32(0.25)), 0.25),
        (EagerTensor(np.array([0.25], "float32")), 0.25),
        (EagerTensor(np.int64(3), "int64"), 3),
        (EagerTensor(np.bool_(True), "bool"), True),
    ],
)
def test_scalars_without_item_are_numbers(tensor: Any, value: object) -> None:
    """U41: a loss as TensorFlow gives it is a number in the document, not a summary."""
    assert scalar(tensor) == value
    _, document = encode(Event(20, "step", "app", {"ml.metrics.loss": tensor, "x": tensor}))
    assert document["ml"]["metrics"]["loss"] == value
    assert document["labels"]["x"] == {True: "true"}.get(value is True, str(value))


def test_a_tensor_of_one_text_is_that_text() -> None:
    """U41: so that redaction sees it as it sees any other text, and not inside the summary of an array."""
    _, document = encode(Event(20, "step", "app", {"x": EagerTensor(b"a word", "string")}))
    assert document["labels"]["x"] == "a word"


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torch", "tensorflow"])
def test_real_scalars_and_summaries(library: str) -> None:
    """U41: the libraries themselves, where they are installed: scalars, NaN counts, gradients, half precision."""
    module = pytest.importorskip(library)
    make = module.tensor if library == "torch" else module.constant
    fields: dict[object, object] = {
        "ml.metrics.loss": make(0.25),
        "x": make([1.0, float("nan"), 3.0]),
        "ml.step": make(7),
        "half": module.ones(3, dtype=module.bfloat16),
    }
    _, document = encode(Event(20, "step", "app", fields))
    assert document["ml"]["metrics"]["loss"] == 0.25
    assert document["ml"]["step"] == 7
    assert "float32[3]" in document["labels"]["x"]
    assert "nan=1" in document["labels"]["x"]
    assert "bfloat16[3]" in document["labels"]["half"]
