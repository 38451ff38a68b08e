"""Several processes that train one model together, on one machine or many.

``accelerate launch --multi_gpu --num_processes N`` and ``torchrun --nproc-per-node N`` start them; where
there is no GPU they talk by gloo. ``accelerate launch --cpu`` starts one process, whatever number it is
told (accelerate 1.15).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from accelerate import PartialState
from torch import Tensor, nn

from scripts.finetune.common.shares import share_of

T = TypeVar("T")


class Team:
    """The processes of a run; one alone where nobody has started several.

    Attributes:
        index: number of this process, from 0.
        size: number of processes.
    """

    def __init__(self) -> None:
        state = PartialState(cpu=not torch.cuda.is_available())
        self.index, self.size = int(state.process_index), int(state.num_processes)

    def share(self, items: Sequence[T]) -> list[T]:
        """Return this process's part; see :func:`.shares.share_of`."""
        return share_of(items, self.index, self.size)

    def begin_alike(self, network: nn.Module) -> None:
        """Give all processes the main one's weights."""
        if self.size > 1:
            for value in network.state_dict().values():
                torch.distributed.broadcast(value, 0)

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Put the mean of all processes' gradients in the place of each; to be called by all."""
        if self.size == 1:
            return
        learned = [parameter for parameter in parameters if parameter.requires_grad]
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in learned]
        flat = torch.cat([grad.reshape(-1) for grad in grads])
        torch.distributed.all_reduce(flat)
        flat /= self.size
        for parameter, grad, part in zip(
            learned, grads, flat.split([grad.numel() for grad in grads]), strict=True
        ):
            parameter.grad = part.reshape(grad.shape)

    def all(self, *, true: bool) -> bool:
        """Tell whether something is true in every process; to be called by all."""
        if self.size == 1:
            return true
        count = torch.tensor(float(true), device=PartialState().device)
        torch.distributed.all_reduce(count)
        return round(float(count)) == self.size

    def told(self, value: float) -> float:
        """Return the main process's value; to be called by all."""
        if self.size == 1:
            return value
        said: Tensor = torch.tensor(float(value), dtype=torch.float64, device=PartialState().device)
        torch.distributed.broadcast(said, 0)
        return float(said)
