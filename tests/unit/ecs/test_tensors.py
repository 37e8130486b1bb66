"""Arrays and tensors of libraries that are not imported."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np

from shipper.ecs.tensors import scalar, summary
from shipper.ecs.values import number, text


class FakeTensor:
    """As much of a torch tensor on a device as a logging call may touch."""

    shape = (2, 2)
    dtype = "torch.float32"
    device = "cuda:0"

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a tensor on a device was asked for {name}")


FakeTensor.__module__ = "torch"
FakeTensor.__name__ = FakeTensor.__qualname__ = "Tensor"


def test_tensors_on_a_device_stay_there() -> None:
    """U41: of a tensor on a device only type, shape and place are told; nothing is copied to the host."""
    tensor = FakeTensor()
    assert scalar(tensor) is None
    assert number(tensor) is None
    assert summary(tensor) == "Tensor torch.float32[2,2] on cuda:0"
    assert text(tensor, 100) == "Tensor torch.float32[2,2] on cuda:0"


def test_large_arrays_are_not_scanned() -> None:
    """U41: beyond 100,000 elements only the first values are looked at."""
    assert summary(np.zeros(200_000)) == "ndarray float64[200000] first=[0,0,0,0,0,…]"


def test_libraries_are_not_imported() -> None:
    """U41: encoding imports none of the libraries whose values it knows."""
    code = (
        "import sys, shipper.testing\n"
        "with shipper.testing.capture(): shipper.get_logger().info('x', a=object(), b=1.5, c=[1])\n"
        "print({'numpy', 'pandas', 'torch', 'tensorflow', 'jax'} & set(sys.modules))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
